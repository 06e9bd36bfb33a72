import { wrongType, wrongValue } from '../errors/invalid-argument.js';

/**
 * Refuses a text that is not valid Unicode: a half of a surrogate pair has no UTF-8 form, and would
 * reach the model as another character.
 *
 * @throws InvalidArgument naming `key`.
 */
export function requireWellFormed(text: unknown, key: string): asserts text is string {
  if (typeof text !== 'string') throw wrongType(key, 'a string', text);
  // Much faster where there is such a method, which is nearly everywhere.
  if ((text as { isWellFormed?: () => boolean }).isWellFormed?.() === true) return;
  const index = text.search(loneSurrogate);
  if (index < 0) return;
  throw wrongValue(
    key,
    `holds half of a surrogate pair at index ${index}, so it is not valid Unicode; cut texts between characters, or call toWellFormed() on them`,
  );
}

/** {@link requireWellFormed} as the check of an option. */
export const checkText = (value: unknown, key: string): string => {
  requireWellFormed(value, key);
  return value;
};

// With the flag u, a pair is one character, so that only a lone half matches.
const loneSurrogate = /[\uD800-\uDFFF]/u;

/**
 * Refuses a number that is not a token of a vocabulary of that size.
 *
 * @throws InvalidArgument naming `key`.
 */
export function requireToken(token: unknown, vocabularySize: number, key = 'token'): void {
  if (typeof token !== 'number' || !Number.isInteger(token)) {
    throw wrongType(key, 'a token (an integer)', token);
  }
  if (token < 0 || token >= vocabularySize) {
    throw wrongValue(key, `must be from 0 to ${vocabularySize - 1}, but it is ${token}`);
  }
}
