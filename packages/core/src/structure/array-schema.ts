import type { Expression } from './expression.js';
import { never } from './expression.js';
import { listOf } from './json-grammar.js';
import type { Alternative, Conjunction, Located } from './schema-alternatives.js';
import type { SchemaCompiler } from './schema-compiler.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import { countsOf, found } from './schema-values.js';

/** Items with schemas of their own; each may be a group within the one before. */
const maxFixedItems = 64;

/** What one part of an alternative says of the items. */
interface ItemSchemas {
  readonly fixed: readonly Located[];
  /** Of those behind; `undefined` where it is not stated. */
  readonly rest: Located | undefined;
}

/** Arrays that satisfy the keywords of an alternative. */
export function arraySchema(
  compiler: SchemaCompiler,
  parts: Alternative,
  path: string,
): Expression {
  for (const { value, path: at } of found(parts, 'uniqueItems')) {
    if (typeof value !== 'boolean')
      throw malformedSchema(within(at, 'uniqueItems'), 'true or false', value);
    if (value)
      throw unsupportedSchema(
        'uniqueItems',
        at,
        'is not supported; leave it out, and remove what comes twice',
      );
  }
  for (const { value, path: at } of found(parts, 'unevaluatedItems')) {
    if (value !== false)
      throw unsupportedSchema('unevaluatedItems', at, 'is supported as false alone');
  }
  const { min, max } = countsOf(parts, 'minItems', 'maxItems');
  const schemas = parts.map(itemSchemas);
  const fixedCount = Math.max(0, ...schemas.map(({ fixed }) => fixed.length));
  if (fixedCount > maxFixedItems) {
    throw unsupportedSchema('prefixItems', path, `has more than ${maxFixedItems} schemas`);
  }
  const at = (index: number): Conjunction =>
    schemas.flatMap(({ fixed, rest }) => fixed[index] ?? rest ?? []);
  const stated = schemas.some(({ rest }) => rest !== undefined);
  // Where items are listed one by one and nothing is said of more, there are no more.
  const closed = !stated && fixedCount > 0 && min <= fixedCount;
  const conjunctions = Array.from({ length: fixedCount }, (_, index) => at(index));
  const forbidden = conjunctions.findIndex(isForbidden);
  const rest = at(fixedCount);
  let most = max;
  if (forbidden >= 0) most = Math.min(most, forbidden);
  else if (closed || isForbidden(rest)) most = Math.min(most, fixedCount);
  if (min > most) return never;
  return listOf(
    '[',
    conjunctions.slice(0, most).map((conjunction) => compiler.compile(conjunction)),
    most > fixedCount ? compiler.compile(rest) : never,
    min,
    most,
    ']',
  );
}

function isForbidden(conjunction: Conjunction): boolean {
  return conjunction.some(({ schema }) => schema === false);
}

/** Newer drafts say `prefixItems` and `items`, older ones `items` and `additionalItems`. */
function itemSchemas({ schema, path }: Alternative[number]): ItemSchemas {
  const older = Array.isArray(schema['items']);
  const [fixedKeyword, restKeyword] = older
    ? ['items', 'additionalItems']
    : ['prefixItems', 'items'];
  const fixed = schema[fixedKeyword] ?? [];
  if (!Array.isArray(fixed))
    throw malformedSchema(within(path, fixedKeyword), 'an array of schemas', fixed);
  const rest = schema[restKeyword];
  return {
    fixed: Array.from(fixed, (item: unknown, index) => ({
      schema: item,
      path: within(path, fixedKeyword, index),
    })),
    rest: rest === undefined ? undefined : { schema: rest, path: within(path, restKeyword) },
  };
}
