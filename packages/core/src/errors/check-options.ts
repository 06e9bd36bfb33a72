import { wrongType, wrongValue } from './invalid-argument.js';

/** Checks one value of an options object; returns it, or throws naming `key`. */
export type Check<T> = (value: unknown, key: string) => T;

/** Range of a number option, both ends inclusive unless `exclusiveMin`. */
export interface NumberRange {
  /** Smallest value; none by default. */
  readonly min?: number;
  /** Largest value; none by default. */
  readonly max?: number;
  /** Whether `min` itself is refused. Default `false`. */
  readonly exclusiveMin?: boolean;
}

function checkRange(value: number, key: string, range: NumberRange): number {
  const { min = -Infinity, max = Infinity, exclusiveMin = false } = range;
  if (value < min || value > max || (exclusiveMin && value === min)) {
    const low = min === -Infinity ? '' : `${exclusiveMin ? 'above' : 'at least'} ${min}`;
    const high = max === Infinity ? '' : `at most ${max}`;
    throw wrongValue(
      key,
      `must be ${[low, high].filter(Boolean).join(' and ')}, but it is ${value}`,
    );
  }
  return value;
}

/** A finite number in a range. */
export function number(range: NumberRange = {}): Check<number> {
  return (value, key) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw wrongType(key, 'a finite number', value);
    }
    return checkRange(value, key, range);
  };
}

/** A safe integer in a range. */
export function integer(range: NumberRange = {}): Check<number> {
  return (value, key) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw wrongType(key, 'an integer', value);
    }
    return checkRange(value, key, range);
  };
}

/** A string; `nonEmpty` refuses the empty one. */
export function string(rule: { readonly nonEmpty?: boolean } = {}): Check<string> {
  return (value, key) => {
    if (typeof value !== 'string') throw wrongType(key, 'a string', value);
    if (rule.nonEmpty && value === '') throw wrongValue(key, 'must not be empty');
    return value;
  };
}

/** `true` or `false`. */
export const boolean: Check<boolean> = (value, key) => {
  if (typeof value !== 'boolean') throw wrongType(key, 'true or false', value);
  return value;
};

/** A function. */
export function callback<F>(): Check<F> {
  return (value, key) => {
    if (typeof value !== 'function') throw wrongType(key, 'a function', value);
    return value as F;
  };
}

/** An `AbortSignal`, of this realm or another. */
export const abortSignal: Check<AbortSignal> = (value, key) => {
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function'
  ) {
    throw wrongType(key, 'an AbortSignal', value);
  }
  return value as AbortSignal;
};

/** An object with any keys; whoever gets it checks them. */
export const record: Check<Readonly<Record<string, unknown>>> = (value, key) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(key, 'an object', value);
  }
  return value as Readonly<Record<string, unknown>>;
};

/** One of a list of strings. */
export function oneOf<T extends string>(...choices: readonly T[]): Check<T> {
  return (value, key) => {
    if (!choices.includes(value as T)) {
      throw wrongType(key, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, value);
    }
    return value as T;
  };
}

/** One of a list of strings, or what another check accepts. */
export function either<T extends string, U>(choice: T, other: Check<U>): Check<T | U> {
  return (value, key) => (value === choice ? choice : other(value, key));
}

/** An array whose every element passes a check. */
export function arrayOf<T>(element: Check<T>): Check<readonly T[]> {
  return (value, key) => {
    if (!Array.isArray(value)) throw wrongType(key, 'an array', value);
    // Array.from visits holes as well, so that a sparse array is refused at its first one.
    return Array.from(value, (item: unknown, index) => element(item, `${key}[${index}]`));
  };
}

/** An options object with exactly these keys, each optional: unknown keys are refused by name. */
export function optionsObject<S extends Record<string, Check<unknown>>>(
  shape: S,
): Check<{ readonly [K in keyof S]?: ReturnType<S[K]> }> {
  return (value, key) => {
    if (value === undefined) return {};
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw wrongType(key === '' ? 'options' : key, 'an object', value);
    }
    const result: Record<string, unknown> = {};
    for (const [name, item] of Object.entries(value)) {
      const path = key === '' ? name : `${key}.${name}`;
      const check = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (check === undefined) {
        const known = Object.keys(shape).sort().join(', ');
        throw wrongValue(path, `is not an option here; the options are ${known}`);
      }
      if (item !== undefined) result[name] = check(item, path);
    }
    return result as { [K in keyof S]?: ReturnType<S[K]> };
  };
}
