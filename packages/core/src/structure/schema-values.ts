import type { JsonType } from './schema-keywords.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import { type Alternative, isPlainObject } from './schema-alternatives.js';
import type { SchemaWork } from './schema-work.js';

/** A value of a keyword, and where it stands. */
export interface Found<T> {
  readonly value: T;
  /** Path of the schema that has the keyword. */
  readonly path: string;
}

/** Every value that a keyword has in an alternative. */
export function found(parts: Alternative, keyword: string): readonly Found<unknown>[] {
  return parts.flatMap(({ schema, path }) =>
    schema[keyword] === undefined ? [] : [{ value: schema[keyword], path }],
  );
}

/** The values of a keyword that is a number. */
export function foundNumbers(parts: Alternative, keyword: string): readonly Found<number>[] {
  return found(parts, keyword).map(({ value, path }) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw malformedSchema(within(path, keyword), 'a finite number', value);
    }
    return { value, path };
  });
}

/** The strictest of two keywords that count: `minItems` and `maxItems`, and so on. */
export function countsOf(
  parts: Alternative,
  minKeyword: string,
  maxKeyword: string,
): { readonly min: number; readonly max: number } {
  const counts = (keyword: string) =>
    foundNumbers(parts, keyword).map(({ value, path }) => {
      if (value >= 0 && Number.isInteger(value)) return value;
      throw malformedSchema(within(path, keyword), 'a whole number, 0 or more', value);
    });
  return {
    min: Math.max(0, ...counts(minKeyword)),
    max: Math.min(Infinity, ...counts(maxKeyword)),
  };
}

/** The values of a keyword that is a string. */
export function foundStrings(parts: Alternative, keyword: string): readonly Found<string>[] {
  return found(parts, keyword).map(({ value, path }) => {
    if (typeof value !== 'string') throw malformedSchema(within(path, keyword), 'a string', value);
    return { value, path };
  });
}

/** The values that `enum` and `const` leave; `undefined` where there are neither. */
export function valuesOf(parts: Alternative, work: SchemaWork): readonly unknown[] | undefined {
  const lists: (readonly unknown[])[] = [];
  for (const { value, path } of found(parts, 'enum')) {
    if (!Array.isArray(value) || value.length === 0) {
      throw malformedSchema(within(path, 'enum'), 'an array of values that is not empty', value);
    }
    lists.push(value);
    requireJson(value, within(path, 'enum'), work);
  }
  for (const { value, path } of found(parts, 'const')) {
    lists.push([value]);
    requireJson(value, within(path, 'const'), work);
  }
  const [first, ...others] = lists.map(
    (list) => new Map(list.map((value) => [canonicalJson(value), value])),
  );
  return (
    first &&
    [...first].filter(([key]) => others.every((other) => other.has(key))).map(([, value]) => value)
  );
}

/** The type of a value; `integer` for a number without a fraction. */
export function typeOf(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as JsonType;
}

const maxValueDepth = 32;
/** Values of an `enum` or `const` in all, those inside others included. */
const maxValues = 10_000;

/** Refuses what JSON does not have, and what is too much of it. */
function requireJson(list: unknown, path: string, work: SchemaWork): void {
  let left = maxValues;
  const visit = (value: unknown, depth: number): void => {
    left -= 1;
    if (depth > maxValueDepth || left < 0) {
      const keyword = path.slice(path.lastIndexOf('/') + 1);
      const bounds = `${maxValues} values, ${maxValueDepth} levels deep`;
      throw unsupportedSchema(
        keyword,
        path.slice(0, -keyword.length - 1),
        `has more than ${bounds}`,
      );
    }
    work.spend(16 + (typeof value === 'string' ? value.length : 0), path, 'enum');
    if (['string', 'boolean'].includes(typeof value) || value === null) return;
    if (typeof value === 'number' && Number.isFinite(value)) return;
    if (Array.isArray(value)) Array.from(value, (item: unknown) => visit(item, depth + 1));
    else if (isPlainObject(value)) Object.values(value).forEach((item) => visit(item, depth + 1));
    else throw malformedSchema(path, 'of values that JSON has', value);
  };
  visit(list, 0);
}

/** The same text for equal values, whatever the order of their keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isPlainObject(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
