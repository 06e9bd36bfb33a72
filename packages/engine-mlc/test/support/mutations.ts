import { MobillmError } from '@mobillm/core';
import fc from 'fast-check';
import { expect } from 'vitest';

type Path = readonly string[];

/** Paths of all values inside a JSON value. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

function replace(value: unknown, path: Path, replacement: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return replacement;
  // An earlier change may have taken away what this one is in.
  if (typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<
    string,
    unknown
  >;
  copy[first] = replace(copy[first], rest, replacement);
  return copy;
}

/**
 * Texts that are a sound JSON value with something changed: a value replaced by any other, numbers by
 * other numbers, or characters by others.
 */
export function spoiltJson(sound: unknown): fc.Arbitrary<string> {
  const paths = pathsOf(sound);
  const numbers = paths.filter(
    (path) =>
      typeof path.reduce<unknown>((value, name) => (value as never)[name], sound) === 'number',
  );
  const text = JSON.stringify(sound);
  const anything = fc.tuple(fc.constantFrom(...paths), fc.jsonValue());
  const number = fc.tuple(
    fc.constantFrom(...numbers),
    fc.oneof(fc.integer(), fc.double(), fc.nat(3000), fc.maxSafeInteger()),
  );
  const changed = (changes: readonly (readonly [Path, unknown])[]): string =>
    JSON.stringify(changes.reduce<unknown>((value, [path, by]) => replace(value, path, by), sound));
  return fc.oneof(
    anything.map((change) => changed([change])),
    fc.array(number, { minLength: 1, maxLength: 6 }).map(changed),
    fc
      .array(fc.tuple(fc.nat(text.length - 1), fc.string({ maxLength: 3 })), { maxLength: 8 })
      .map((changes) => {
        const characters = text.split('');
        for (const [at, by] of changes) characters[at] = by;
        return characters.join('');
      }),
  );
}

/** Runs a check of a spoilt text; `undefined` where it was refused, with one of the codes. */
export function orCoded<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!MobillmError.is(error)) throw error;
    expect(['MODEL_INVALID', 'MODEL_UNSUPPORTED']).toContain(error.code);
    return undefined;
  }
}
