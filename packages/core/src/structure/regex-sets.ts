import {
  type CodePointRange,
  type CodePoints,
  codePointsOf,
  complement,
  includes,
  lastCodePoint,
  single,
  union,
} from './code-points.js';

const digits: CodePoints = [[0x30, 0x39]];
const wordCharacters = union([...digits, [0x41, 0x5a], [0x61, 0x7a], single(0x5f)]);
const spaces = union([
  [0x09, 0x0d],
  single(0x20),
  single(0xa0),
  single(0x1680),
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  single(0x202f),
  single(0x205f),
  single(0x3000),
  single(0xfeff),
]);

/** What `.` matches without the flag `s`. */
export const notLineEnds = complement(codePointsOf('\n\r\u2028\u2029'));

/** What the letters of class escapes stand for: `\d` and so on. */
export const classEscapes: ReadonlyMap<string, CodePoints> = new Map([
  ['d', digits],
  ['D', complement(digits)],
  ['w', wordCharacters],
  ['s', spaces],
  ['S', complement(spaces)],
]);

const properties = new Map<string, CodePoints>();
/** Properties that are kept; what a program uses is few. */
const maxProperties = 64;

/** The characters of a Unicode property, such as `L` or `Script=Greek`; `undefined` where there is none. */
export function charactersOfProperty(name: string): CodePoints | undefined {
  const known = properties.get(name);
  if (known !== undefined) return known;
  let matcher: RegExp;
  try {
    matcher = new RegExp(`\\p{${name}}+`, 'gu');
  } catch {
    return undefined;
  }
  // The JavaScript engine has the tables: it is asked about blocks of all characters.
  const ranges: CodePointRange[] = [];
  const block = 0x800;
  const characters = new Array<number>(block);
  for (let start = 0; start <= lastCodePoint; start += block) {
    if (start === 0xd800) continue;
    for (let at = 0; at < block; at += 1) characters[at] = start + at;
    const text = String.fromCodePoint(...characters);
    const bytes = start > 0xffff ? 2 : 1;
    for (const { index, 0: found } of text.matchAll(matcher)) {
      const first = start + index / bytes;
      ranges.push([first, first + found.length / bytes - 1]);
    }
  }
  if (properties.size >= maxProperties) properties.clear();
  const set = union(ranges);
  properties.set(name, set);
  return set;
}

/** The same letters in both cases, as the flag `i` has it; with `unicode` as it has it beside `u`. */
export function inBothCases(set: CodePoints, unicode: boolean): CodePoints {
  if ((set.at(-1)?.[1] ?? 0) < 0x80) return asciiInBothCases(set, unicode);
  const more = caseGroups(unicode).filter((group) => group.some((code) => includes(set, code)));
  return more.length === 0 ? set : union([...set, ...more.flat().map(single)]);
}

/** Most sets are of ASCII, which takes no table. */
function asciiInBothCases(set: CodePoints, unicode: boolean): CodePoints {
  const more: CodePointRange[] = [];
  for (const [first, last] of set) {
    for (let code = Math.max(first, 0x41); code <= Math.min(last, 0x7a); code += 1) {
      if (/[A-Za-z]/.test(String.fromCodePoint(code))) more.push(single(code ^ 0x20));
    }
  }
  const both = union([...set, ...more]);
  // The long s, and the sign of the kelvin.
  if (unicode && includes(both, 0x73)) more.push(single(0x17f));
  if (unicode && includes(both, 0x6b)) more.push(single(0x212a));
  return union([...both, ...more]);
}

/** No letter beyond this one has two cases. */
const lastCased = 0x1ffff;

const groupsByMode = new Map<boolean, readonly (readonly number[])[]>();

/** Characters that the flag `i` does not tell apart. */
function caseGroups(unicode: boolean): readonly (readonly number[])[] {
  const known = groupsByMode.get(unicode);
  if (known !== undefined) return known;
  const groups = new Map<number, number[]>();
  for (let code = 0; code <= lastCased; code += 1) {
    const mapped = caseMapped(code);
    if (mapped.every((other) => other === code)) continue;
    for (const same of [code, ...mapped]) {
      const key = canonical(same, unicode);
      const group = groups.get(key) ?? [];
      if (!group.includes(same)) group.push(same);
      groups.set(key, group);
    }
  }
  const several = [...groups.values()].filter((group) => group.length > 1);
  groupsByMode.set(unicode, several);
  return several;
}

function caseMapped(code: number): readonly number[] {
  const character = String.fromCodePoint(code);
  return [character.toLowerCase(), character.toUpperCase()].flatMap((mapped) => {
    const mappedCode = mapped.codePointAt(0) ?? code;
    return mapped === String.fromCodePoint(mappedCode) ? [mappedCode] : [];
  });
}

/** ECMA-262, Canonicalize: upper case, never from outside ASCII into it; with `u` a case folding. */
function canonical(code: number, unicode: boolean): number {
  const upper = caseMapped(code).at(-1) ?? code;
  // The i without a dot, and the I with one, fold to nothing else.
  if (unicode && (code === 0x130 || code === 0x131)) return code;
  if (!unicode) return upper < 0x80 && code >= 0x80 ? code : upper;
  return caseMapped(upper)[0] ?? upper;
}
