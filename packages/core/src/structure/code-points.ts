/** Code points from `first` to `last`, both included. */
export type CodePointRange = readonly [first: number, last: number];

/** A set of characters: ranges in order that neither touch nor overlap. */
export type CodePoints = readonly CodePointRange[];

/** The last character there is. */
export const lastCodePoint = 0x10ffff;

/** Every character. Halves of surrogate pairs are none: no text in UTF-8 has them. */
export const allCodePoints: CodePoints = [
  [0, 0xd7ff],
  [0xe000, lastCodePoint],
];

/** What is in any of the ranges. */
export function union(ranges: readonly CodePointRange[]): CodePoints {
  const merged: [number, number][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** What is in the one set and not in the other. */
export function subtract(from: CodePoints, other: CodePoints): CodePoints {
  const rest: CodePointRange[] = [];
  let next = 0;
  for (const [start, last] of from) {
    let first = start;
    while (next < other.length && (other[next]?.[1] ?? 0) < first) next += 1;
    for (let at = next; at < other.length && first <= last; at += 1) {
      const [begin, end] = other[at] ?? [0, 0];
      if (begin > last) break;
      if (begin > first) rest.push([first, begin - 1]);
      first = end + 1;
    }
    if (first <= last) rest.push([first, last]);
  }
  return rest;
}

/** What is in both sets. */
export function intersect(one: CodePoints, other: CodePoints): CodePoints {
  return subtract(one, subtract(allCodePoints, other));
}

/** Every character that is not in the set. */
export function complement(set: CodePoints): CodePoints {
  return subtract(allCodePoints, set);
}

/** The characters of a text. */
export function codePointsOf(text: string): CodePoints {
  return union(Array.from(text, (character) => single(character.codePointAt(0) ?? 0)));
}

/** The range of one character. */
export function single(code: number): CodePointRange {
  return [code, code];
}

/** Whether a character is in the set. */
export function includes(set: CodePoints, code: number): boolean {
  let [low, high] = [0, set.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle]?.[1] ?? 0) < code) low = middle + 1;
    else high = middle;
  }
  return (set[low]?.[0] ?? Infinity) <= code;
}
