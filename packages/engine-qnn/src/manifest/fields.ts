import { check, wrongType, wrongValue } from '@mobillm/core';

/** Reads a field that has to be there. */
export function required<T>(inner: check.Check<T>): check.Check<T> {
  return (value, key) => {
    if (value === undefined) throw wrongValue(key, 'is missing');
    return inner(value, key);
  };
}

/** An object with these fields and no others. Fields may be missing where their check lets them. */
export function exactly<S extends Record<string, check.Check<unknown>>>(
  shape: S,
): check.Check<{ readonly [K in keyof S]: ReturnType<S[K]> }> {
  return (value, key) => {
    const fields = check.record(value, key);
    for (const name of Object.keys(fields)) {
      if (!Object.hasOwn(shape, name)) {
        throw wrongValue(join(key, name.slice(0, 40)), 'is not a field of this layout');
      }
    }
    const result: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(shape)) {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      const checked = inner(field, join(key, name));
      if (checked !== undefined) result[name] = checked;
    }
    return result as { [K in keyof S]: ReturnType<S[K]> };
  };
}

/** A list whose length is in a range. */
export function list<T>(inner: check.Check<T>, most: number): check.Check<readonly T[]> {
  return (value, key) => {
    if (!Array.isArray(value)) throw wrongType(key, 'a list', value);
    if (value.length === 0 || value.length > most) {
      throw wrongValue(key, `has to have 1 to ${most} entries, and has ${value.length}`);
    }
    return check.arrayOf(inner)(value, key);
  };
}

/** A text that matches a pattern as a whole; `what` says in words what is expected. */
export function matching(pattern: RegExp, what: string): check.Check<string> {
  return (value, key) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw wrongType(key, what, value);
    return value;
  };
}

function join(key: string, name: string): string {
  return key === '' ? name : `${key}.${name}`;
}
