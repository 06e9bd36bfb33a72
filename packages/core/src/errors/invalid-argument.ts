/**
 * A wrong call: a `TypeError` (wrong type) or `RangeError` (right type, impossible value) that also
 * carries the code `INVALID_ARGUMENT` and the name of the bad key.
 */
export type InvalidArgument = (TypeError | RangeError) & {
  /** The same for every wrong call. */
  readonly code: 'INVALID_ARGUMENT';
  /** The option or argument at fault, as a path: `sampling.topK`, `messages[2].role`. */
  readonly key: string;
};

function mark(error: TypeError | RangeError, key: string): InvalidArgument {
  return Object.assign(error, { code: 'INVALID_ARGUMENT' as const, key });
}

/** The error for a value of the wrong type: `"sampling.topK" must be an integer, but it is "many"`. */
export function wrongType(key: string, expected: string, actual: unknown): InvalidArgument {
  return mark(new TypeError(`"${key}" must be ${expected}, but it is ${show(actual)}`), key);
}

/** The error for a value of the right type that is not possible: out of range, unknown key. */
export function wrongValue(key: string, sentence: string): InvalidArgument {
  return mark(new RangeError(`"${key}": ${sentence}`), key);
}

/** Shows a value in a sentence: short, on one line, never throwing. */
function show(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 40 ? `the string "${value.slice(0, 40)}…"` : `the string "${value}"`;
  }
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') {
    return Array.isArray(value) ? 'an array' : `an object`;
  }
  if (typeof value === 'function') return 'a function';
  const primitive = value as number | boolean | bigint | symbol;
  return `the ${typeof value} ${String(primitive)}`;
}
