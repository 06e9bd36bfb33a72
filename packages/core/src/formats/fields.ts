import * as check from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';

/** Reads a field that has to be there. */
export function required<T>(inner: check.Check<T>): check.Check<T> {
  return (value, key) => {
    if (value === undefined) throw wrongValue(key, 'is missing');
    return inner(value, key);
  };
}

/** A field that may be missing. */
export function optional<T>(inner: check.Check<T>): check.Check<T | undefined> {
  return (value, key) => (value === undefined || value === null ? undefined : inner(value, key));
}

/** An object with these fields; others are left unread, because the layout is not ours. */
export function object<S extends Record<string, check.Check<unknown>>>(
  shape: S,
): check.Check<{ readonly [K in keyof S]: ReturnType<S[K]> }> {
  return (value, key) => {
    const found = check.record(value, key);
    const result: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(shape)) {
      const field = Object.hasOwn(found, name) ? found[name] : undefined;
      result[name] = inner(field, key === '' ? name : `${key}.${name}`);
    }
    return result as { [K in keyof S]: ReturnType<S[K]> };
  };
}

/** A list of at most so many entries. */
export function list<T>(inner: check.Check<T>, most: number): check.Check<readonly T[]> {
  return (value, key) => {
    if (!Array.isArray(value)) throw wrongType(key, 'a list', value);
    if (value.length > most) {
      throw wrongValue(key, `has ${value.length} entries, and at most ${most} are possible`);
    }
    return check.arrayOf(inner)(value, key);
  };
}

/** An object of any keys whose values are alike, as a map of at most so many entries. */
export function map<T>(inner: check.Check<T>, most: number): check.Check<ReadonlyMap<string, T>> {
  return (value, key) => {
    const entries = Object.entries(check.record(value, key));
    if (entries.length > most) {
      throw wrongValue(key, `has ${entries.length} entries, and at most ${most} are possible`);
    }
    return new Map(entries.map(([name, field]) => [name, inner(field, `${key}.${name}`)]));
  };
}

/** A text that matches a pattern as a whole; `what` says in words what is expected. */
export function matching(pattern: RegExp, what: string): check.Check<string> {
  return (value, key) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw wrongType(key, what, value);
    return value;
  };
}

/** The name of a file in the same folder, and nothing that leads out of it. */
export const fileName = matching(
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  /^(?!\.{1,2}$)[^/\\:\u0000-\u001f]{1,255}$/u,
  'the name of a file in the same folder',
);

/** A name of up to 512 characters. */
export const shortText = matching(/^[^]{1,512}$/u, 'a text of 1 to 512 characters');

/** Lower-case hexadecimal sha256. */
export const sha256 = matching(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hexadecimal');

/**
 * Runs a check of what a file says; what it throws becomes `MODEL_INVALID` with the file's path.
 */
export function checkContent<T>(checkIt: check.Check<T>, value: unknown, path: string): T {
  try {
    return checkIt(value, '');
  } catch (error) {
    if (MobillmError.is(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new MobillmError(
      'MODEL_INVALID',
      `${path} is not sound: ${reason}. Compile or download the model again.`,
      { details: { path, reason }, cause: error },
    );
  }
}
