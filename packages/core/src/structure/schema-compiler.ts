import { arraySchema } from './array-schema.js';
import { choice, type Expression, never, rule } from './expression.js';
import { constantValue, jsonRules, type JsonWhitespace } from './json-grammar.js';
import { objectSchema } from './object-schema.js';
import { numberSchema, stringSchema } from './scalar-schemas.js';
import {
  type Alternative,
  type Conjunction,
  isPlainObject,
  type Located,
  SchemaReader,
  schemasOf,
  soleApplicator,
} from './schema-alternatives.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import { isAssertion, type JsonType, jsonTypes, keywordsOfType } from './schema-keywords.js';
import { found, typeOf, valuesOf } from './schema-values.js';
import { SchemaWork } from './schema-work.js';

/** Schemas that one grammar is made of, and levels of them inside each other. */
export const schemaLimits = { schemas: 5_000, depth: 64 } as const;

/** Levels at which references are followed later: those of a large description lead on and on. */
const laterDepth = 32;

/** Turns schemas into rules, each once, so that those that refer to themselves come to an end. */
export class SchemaCompiler {
  readonly rules: Map<string, Expression>;
  /** Where the schema of a rule stands. */
  readonly pathOfRule = new Map<string, string>();
  /** What the schema may take and has taken. */
  readonly work = new SchemaWork();
  readonly #reader: SchemaReader;
  readonly #names = new Map<string, string>();
  readonly #sameNames = new Map<string, number>();
  #depth = 0;
  /** Rules whose schemas are followed when those around them are done. */
  readonly #later: { readonly name: string; readonly conjunction: Conjunction }[] = [];

  /** @param also what holds besides the root. */
  constructor(root: unknown, whitespace: JsonWhitespace, also: readonly Located[] = []) {
    this.#reader = new SchemaReader(root, this.work);
    this.rules = jsonRules(whitespace);
    this.compile([{ schema: root, path: '#' }, ...also]);
    for (let next = this.#later.pop(); next !== undefined; next = this.#later.pop()) {
      this.rules.set(next.name, this.#values(next.conjunction));
    }
  }

  /** Values that satisfy all of some schemas. */
  compile(conjunction: Conjunction): Expression {
    const path = conjunction[0]?.path ?? '#';
    for (const located of conjunction) this.work.spend(4 + located.path.length / 8, path);
    const key = conjunction.map((located) => located.path).join(' ');
    const known = this.#names.get(key);
    if (known !== undefined) return rule(known);
    if (this.#names.size >= schemaLimits.schemas) {
      throw unsupportedSchema('$ref', path, `takes more than ${schemaLimits.schemas} schemas`);
    }
    if (this.#depth >= schemaLimits.depth) {
      throw unsupportedSchema('type', path, `is more than ${schemaLimits.depth} levels deep`);
    }
    const name = this.#newName(path);
    this.#names.set(key, name);
    if (this.#depth >= laterDepth && isReference(conjunction)) {
      this.#later.push({ name, conjunction });
      return rule(name);
    }
    this.#depth += 1;
    const expression = this.#values(conjunction);
    this.#depth -= 1;
    this.rules.set(name, expression);
    // What is short stands where it is used; nobody then asks for the rule.
    return expression.kind === 'rule' || expression.kind === 'text' ? expression : rule(name);
  }

  /** Puts an expression that is used several times into a rule of its own. */
  share(expression: Expression, path: string, what: string): Expression {
    if (expression.kind !== 'sequence' && expression.kind !== 'choice') return expression;
    const name = this.#newName(`${path}/${what}`);
    this.rules.set(name, expression);
    return rule(name);
  }

  /** A name for the rule about a place in the schema, made of its path. */
  #newName(path: string): string {
    const steps = path.split('/').slice(1);
    const inDefinitions = steps[0] === '$defs' || steps[0] === 'definitions';
    const words = steps.filter((step) => !['$defs', 'definitions', 'properties'].includes(step));
    const base = (inDefinitions && words.length > 0 ? words : ['root', ...words])
      .join('-')
      .replace(/[^a-zA-Z0-9]+/g, '-')
      .slice(0, 48);
    // A name of a rule that every schema has, or that the writer gives to a class, is taken as well.
    const taken = (name: string) =>
      this.rules.has(name) || this.pathOfRule.has(name) || /^(root|-*|chars-\d+)$/.test(name);
    let name = base;
    let count = this.#sameNames.get(base) ?? 1;
    while (taken(name) && !(name === 'root' && path === '#')) {
      count += 1;
      name = `${base}-${count}`;
    }
    this.#sameNames.set(base, count);
    this.pathOfRule.set(name, path);
    return name;
  }

  #values(conjunction: Conjunction): Expression {
    const [first, ...others] = conjunction;
    if (first !== undefined && others.length === 0) {
      const branches = this.#branches(first);
      if (branches !== undefined)
        return choice(...branches.map((branch) => this.compile([branch])));
    }
    const path = first?.path ?? '#';
    return choice(
      ...this.#reader.alternatives(conjunction).map((parts) => this.#alternative(parts, path)),
    );
  }

  /** The schemas that one schema leaves the choice of, where it says nothing else. */
  #branches(located: Located): readonly Located[] | undefined {
    const schema = this.#reader.read(located);
    if (typeof schema === 'boolean') return undefined;
    const { path } = located;
    const keyword = soleApplicator(schema);
    if (keyword === '$ref') return [this.#reader.target(schema[keyword], path)];
    return keyword === 'anyOf' || keyword === 'oneOf'
      ? schemasOf(schema, path, keyword)
      : undefined;
  }

  #alternative(parts: Alternative, path: string): Expression {
    // Each keyword is looked for in each part.
    this.work.spend(32 * (1 + parts.length), path);
    const types = typesOf(parts);
    const values = valuesOf(parts, this.work);
    if (values !== undefined) return this.#constants(values, types, parts);
    if (types === undefined) return rule('value');
    return choice(
      ...jsonTypes
        .filter((type) => types.has(type))
        .map((type) => this.#ofType(type, types, parts, path)),
    );
  }

  #ofType(
    type: JsonType,
    types: ReadonlySet<JsonType>,
    parts: Alternative,
    path: string,
  ): Expression {
    switch (type) {
      case 'object':
        return objectSchema(this, parts, path);
      case 'array':
        return arraySchema(this, parts, path);
      case 'string':
        return stringSchema(parts, this.work);
      case 'number':
        return numberSchema(parts, false, this.work);
      case 'integer':
        // Every integer is a number.
        return types.has('number') ? never : numberSchema(parts, true, this.work);
      case 'boolean':
      case 'null':
        return rule(type);
    }
  }

  #constants(
    values: readonly unknown[],
    types: ReadonlySet<JsonType> | undefined,
    parts: Alternative,
  ): Expression {
    for (const { schema, path } of parts) {
      const other = Object.keys(schema).find(
        (keyword) => isAssertion(keyword) && !['type', 'enum', 'const'].includes(keyword),
      );
      if (other !== undefined && schema[other] !== undefined) {
        throw unsupportedSchema(
          other,
          path,
          'stands beside "enum" or "const"; leave out the values that it excludes instead',
        );
      }
    }
    const allowed = values.filter((value) => {
      const type = typeOf(value);
      return types === undefined || types.has(type) || (type === 'integer' && types.has('number'));
    });
    return choice(...allowed.map(constantValue));
  }
}

/** Whether a conjunction is a `$ref` and nothing else. */
function isReference([first, ...others]: Conjunction): boolean {
  const isAlone = first !== undefined && others.length === 0;
  return isAlone && isPlainObject(first.schema) && soleApplicator(first.schema) === '$ref';
}

/** The types that an alternative leaves; `undefined` where it says nothing of them. */
function typesOf(parts: Alternative): ReadonlySet<JsonType> | undefined {
  let types: Set<JsonType> | undefined;
  for (const { value, path } of found(parts, 'type')) {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0 || !list.every((type) => jsonTypes.includes(type as JsonType))) {
      throw malformedSchema(
        within(path, 'type'),
        `one or several of ${jsonTypes.join(', ')}`,
        value,
      );
    }
    const stated = new Set(list as readonly JsonType[]);
    if (stated.has('number')) stated.add('integer');
    types = types === undefined ? stated : new Set([...types].filter((type) => stated.has(type)));
  }
  if (types !== undefined) return types;
  const meant = jsonTypes.filter((type) =>
    (keywordsOfType[type] ?? []).some((keyword) => found(parts, keyword).length > 0),
  );
  return meant.length === 0 ? undefined : new Set(meant);
}
