import { applicators, isAssertion, isKnownKeyword } from './schema-keywords.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import type { SchemaWork } from './schema-work.js';

/** Keywords of a schema. */
export type SchemaObject = Readonly<Record<string, unknown>>;

/** A schema and where it stands. */
export interface Located<S = unknown> {
  readonly schema: S;
  /** A JSON pointer from the root, `#`. */
  readonly path: string;
}

/** Schemas that hold together; none of them holds for everything. */
export type Conjunction = readonly Located[];

/** One way to satisfy a conjunction: keywords that hold together, without others' schemas. */
export type Alternative = readonly Located<SchemaObject>[];

/** Ways to satisfy a conjunction that are looked at; each `anyOf` beside another multiplies them. */
const maxAlternatives = 64;
/** Schemas that hold together, and levels of `allOf` and its like inside each other. */
const maxParts = 256;
const maxLevels = 64;
const maxPointerParts = 64;

/** Looks into schemas: what `$ref` means, what `allOf`, `anyOf` and their like come to. */
export class SchemaReader {
  readonly #root: unknown;
  /** References that are being followed, to notice those that lead back. */
  readonly #following = new Set<string>();
  readonly #work: SchemaWork;
  #level = 0;

  constructor(root: unknown, work: SchemaWork) {
    this.#root = root;
    this.#work = work;
  }

  /** The keywords of a schema, or what a boolean schema says; unknown keywords are refused. */
  read({ schema, path }: Located): SchemaObject | boolean {
    if (typeof schema === 'boolean') return schema;
    if (!isPlainObject(schema)) {
      throw malformedSchema(path, 'a JSON Schema: an object of keywords, true or false', schema);
    }
    const keywords = Object.keys(schema);
    this.#work.spend(16 + keywords.length, path);
    for (const keyword of keywords) {
      if (isKnownKeyword(keyword)) continue;
      throw unsupportedSchema(keyword, path, 'is a keyword that is not supported; leave it out');
    }
    if (path !== '#' && schema['$id'] !== undefined) {
      throw unsupportedSchema('$id', path, 'would change what "$ref" means; leave it out');
    }
    return schema;
  }

  /** What a `$ref` refers to, within the same document. */
  target(reference: unknown, path: string): Located {
    if (typeof reference !== 'string')
      throw malformedSchema(within(path, '$ref'), 'a string', reference);
    const refuse = (sentence: string) => unsupportedSchema('$ref', path, sentence);
    this.#work.spend(reference.length, path, '$ref');
    const root = this.#root as SchemaObject | boolean;
    const id = typeof root === 'object' ? root['$id'] : undefined;
    const local =
      typeof id === 'string' && id !== '' && reference.startsWith(`${id}#`)
        ? reference.slice(id.length)
        : reference;
    if (local !== '#' && !local.startsWith('#/')) {
      throw refuse(
        `refers to "${reference.slice(0, 80)}"; only "#" and "#/…", within the same schema, are followed`,
      );
    }
    const parts = local.split('/').slice(1);
    if (parts.length > maxPointerParts) throw refuse('has too many parts');
    let schema: unknown = root;
    for (const part of parts) {
      const name = unescapePointer(part);
      const holds = typeof schema === 'object' && schema !== null && Object.hasOwn(schema, name);
      if (!holds) throw refuse(`refers to "${reference.slice(0, 80)}", which is not there`);
      schema = (schema as SchemaObject)[name];
    }
    return { schema, path: within('#', ...parts.map(unescapePointer)) };
  }

  /** Every way to satisfy a conjunction. */
  alternatives(conjunction: Conjunction): readonly Alternative[] {
    return this.#product(conjunction.map((located) => ({ located, ways: this.#ways(located) })));
  }

  #product(
    factors: readonly { readonly located: Located; readonly ways: readonly Alternative[] }[],
  ): readonly Alternative[] {
    let product: readonly Alternative[] = [[]];
    for (const { located, ways } of factors) {
      if (product.length * ways.length > maxAlternatives) {
        throw unsupportedSchema(
          'anyOf',
          located.path,
          `comes to more than ${maxAlternatives} combinations with what stands beside it; write it in one place`,
        );
      }
      if (product.some((before) => before.length > maxParts)) {
        throw unsupportedSchema(
          'allOf',
          located.path,
          `puts more than ${maxParts} schemas together`,
        );
      }
      for (const before of product) {
        for (const way of ways) this.#work.spend(1 + before.length + way.length, located.path);
      }
      product = product.flatMap((before) => ways.map((way) => distinct([...before, ...way])));
    }
    return product;
  }

  #ways(located: Located): readonly Alternative[] {
    const schema = this.read(located);
    if (typeof schema === 'boolean') return schema ? [[]] : [];
    const { path } = located;
    if (this.#level >= maxLevels) {
      throw unsupportedSchema('allOf', path, `is more than ${maxLevels} levels deep`);
    }
    this.#level += 1;
    // References that branch double with each level.
    this.#work.spend(16, path, schema['$ref'] === undefined ? 'allOf' : '$ref');
    const factors = [];
    if (schema['$ref'] !== undefined) factors.push(this.#followed(schema['$ref'], path));
    if (Object.keys(schema).some(isAssertion))
      factors.push({ located, ways: [[{ schema, path }]] });
    for (const part of schemasOf(schema, path, 'allOf')) {
      factors.push({ located: part, ways: this.#ways(part) });
    }
    for (const keyword of ['anyOf', 'oneOf']) {
      if (schema[keyword] === undefined) continue;
      const branches = schemasOf(schema, path, keyword);
      factors.push({ located, ways: branches.flatMap((branch) => this.#ways(branch)) });
    }
    if (schema['not'] !== undefined) factors.push({ located, ways: excluded(schema['not'], path) });
    const ways = this.#product(factors);
    this.#level -= 1;
    return isNullable(schema, path) ? [...ways, [{ schema: { type: 'null' }, path }]] : ways;
  }

  #followed(reference: unknown, path: string): { located: Located; ways: readonly Alternative[] } {
    const located = this.target(reference, path);
    if (this.#following.has(located.path)) {
      throw unsupportedSchema(
        '$ref',
        path,
        'leads back to where it stands, with nothing in between',
      );
    }
    this.#following.add(located.path);
    const ways = this.#ways(located);
    this.#following.delete(located.path);
    return { located, ways };
  }
}

/** The schemas in the array of an applicator; none where it is missing. */
export function schemasOf(schema: SchemaObject, path: string, keyword: string): readonly Located[] {
  const list = schema[keyword];
  if (list === undefined) return [];
  if (!Array.isArray(list) || list.length === 0) {
    throw malformedSchema(within(path, keyword), 'an array of schemas that is not empty', list);
  }
  return Array.from(list, (item: unknown, at) => ({
    schema: item,
    path: within(path, keyword, at),
  }));
}

/** The only keyword of a schema that says what is valid, where there is only one and it is an applicator. */
export function soleApplicator(schema: SchemaObject): string | undefined {
  const keywords = Object.keys(schema).filter(
    (keyword) =>
      schema[keyword] !== undefined && (isAssertion(keyword) || applicators.includes(keyword)),
  );
  const [keyword] = keywords;
  return keywords.length === 1 && keyword !== undefined && applicators.includes(keyword)
    ? keyword
    : undefined;
}

/** OpenAPI's `nullable`. */
function isNullable(schema: SchemaObject, path: string): boolean {
  const value = schema['nullable'];
  if (value !== undefined && typeof value !== 'boolean') {
    throw malformedSchema(within(path, 'nullable'), 'true or false', value);
  }
  return value === true;
}

/** `not` is followed where it says all or nothing. */
function excluded(schema: unknown, path: string): readonly Alternative[] {
  if (schema === false) return [[]];
  if (schema === true || (isPlainObject(schema) && Object.keys(schema).length === 0)) return [];
  throw unsupportedSchema('not', path, 'is not supported; say what is valid instead');
}

function distinct(parts: Alternative): Alternative {
  // By what they hold, and not where it stands: the same schema may be referred to twice.
  const known = new Set<SchemaObject>();
  return parts.filter(({ schema }) => known.size < known.add(schema).size);
}

function unescapePointer(part: string): string {
  let decoded = part;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    // A percent sign that is no escape stands for itself.
  }
  return decoded.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** Whether something is an object as literals and JSON make it, of this realm or another. */
export function isPlainObject(value: unknown): value is SchemaObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
