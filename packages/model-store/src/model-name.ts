import { wrongType, wrongValue } from '@mobillm/core';
import { baseName } from './base-name.js';

const maxLength = 128;

/**
 * Control characters, those that end a line or turn the direction of writing, halves of surrogate
 * pairs, and what shells and file systems give a meaning.
 */
const refused =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\\"'`*?<>|$]/u;

/**
 * Checks a model's name: 1 to 128 characters of any script, without control characters (those of
 * lines and of the direction of writing among them), halves of surrogate pairs, quotes,
 * `\ * ? < > | $`, a space or a dot at either end, or `..` and empty parts between slashes.
 *
 * @throws InvalidArgument
 */
export function checkModelName(value: unknown, key: string): string {
  if (typeof value !== 'string') throw wrongType(key, 'a string', value);
  const name = value.normalize('NFC');
  if (name === '') throw wrongValue(key, 'must not be empty');
  if (name.length > maxLength) {
    throw wrongValue(key, `must have at most ${maxLength} characters, but it has ${name.length}`);
  }
  if (refused.test(name) || /^[\s.]|[\s.]$/.test(name)) {
    throw wrongValue(
      key,
      `the name ${JSON.stringify(name)} has a character that is not allowed, or a space or dot at an end`,
    );
  }
  if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw wrongValue(key, `the name "${name}" has an empty part or "." or ".." between slashes`);
  }
  return name;
}

/** A name for a file: its own without the extension, with what is not allowed replaced. */
export function nameOfFile(path: string): string {
  const name = baseName(path)
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '')
    .normalize('NFC')
    .replaceAll(new RegExp(refused, 'gu'), '-')
    .replaceAll(/^[\s.]+|[\s.]+$/g, '')
    .slice(0, maxLength)
    // The cut may have left half a character.
    .replace(/[\ud800-\udbff]$/u, '')
    .replaceAll(/[\s.]+$/g, '');
  return name === '' ? 'model' : name;
}

/** Up to three names that are most like `name`, best first; those unlike it are left out. */
export function nearestNames(name: string, names: readonly string[]): string[] {
  const wanted = name.toLowerCase();
  return names
    .map((candidate) => {
      const lower = candidate.toLowerCase();
      const part = lower.includes(wanted) || wanted.includes(lower);
      // People leave out the end of a name, too: "-Instruct.Q4_K_M".
      const start = lower.slice(0, wanted.length);
      const distance = Math.min(editDistance(wanted, lower), editDistance(wanted, start));
      return { candidate, distance: part ? 0 : distance };
    })
    .filter(({ distance }) => distance <= wanted.length / 3)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
