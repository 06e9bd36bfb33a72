import {
  type CodePoints,
  codePointsOf,
  complement,
  intersect,
  single,
  union,
  allCodePoints,
} from './code-points.js';
import { charactersOfProperty, classEscapes, inBothCases, notLineEnds } from './regex-sets.js';

/** A regular expression, read. */
export type RegexNode =
  | { readonly kind: 'class'; readonly set: CodePoints }
  | { readonly kind: 'anchor'; readonly character: '^' | '$'; readonly offset: number }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly items: readonly RegexNode[] }
  | {
      readonly kind: 'repeat';
      readonly item: RegexNode;
      readonly min: number;
      readonly max: number;
    };

/** Tells what is wrong with a regular expression, in a sentence that goes on from its name. */
export type RegexFailure = (sentence: string, offset: number) => never;

/**
 * Told of work before it is done, in characters and ranges of them that are looked at; may throw. What has
 * the name `once` is done once, whoever needs it.
 */
export type RegexWork = (work: number, once?: string) => void;

/** Bounds of a regular expression. */
export const regexLimits = { characters: 10_000, depth: 64 } as const;

/** A range of a class is sorted, and cut with others, and written. */
const rangeWork = 4;

/** The tables of a property are looked up in the JavaScript engine for each character that there is. */
const propertyWork = 100_000;

const controls: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  0: '\0',
};
const lookarounds: readonly (readonly [string, string])[] = [
  ['?=', 'a lookahead'],
  ['?!', 'a lookahead'],
  ['?<=', 'a lookbehind'],
  ['?<!', 'a lookbehind'],
];

/**
 * Reads a regular expression of JavaScript. Characters are whole code points, as with the flag `u`.
 *
 * @throws whatever `fail` throws: for a mistake, or for what no grammar can say.
 */
export function parseRegex(
  source: string,
  flags: string,
  fail: RegexFailure,
  spend: RegexWork,
): RegexNode {
  if (source.length > regexLimits.characters) {
    fail(`is longer than ${regexLimits.characters} characters`, 0);
  }
  if (flags.includes('v')) fail('has the flag "v"; use "u", without operations on sets', 0);
  spend(8 * source.length);
  return new RegexParser(source, flags, fail, spend).whole();
}

class RegexParser {
  readonly #source: string;
  readonly #fail: RegexFailure;
  readonly #spend: RegexWork;
  readonly #properties = new Set<string>();
  readonly #ignoreCase: boolean;
  readonly #unicode: boolean;
  readonly #dot: CodePoints;
  #at = 0;
  #depth = 0;

  constructor(source: string, flags: string, fail: RegexFailure, spend: RegexWork) {
    this.#source = source;
    this.#fail = fail;
    this.#spend = spend;
    this.#ignoreCase = flags.includes('i');
    this.#unicode = flags.includes('u');
    this.#dot = flags.includes('s') ? allCodePoints : notLineEnds;
  }

  whole(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#source.length) this.#fail('has a ")" too many', this.#at);
    return node;
  }

  #choice(): RegexNode {
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'choice', items };
  }

  #sequence(): RegexNode {
    const items: RegexNode[] = [];
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] ?? '')) {
      items.push(this.#quantified());
    }
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'sequence', items };
  }

  #quantified(): RegexNode {
    const start = this.#at;
    const item = this.#atom();
    const bounds = this.#quantifier();
    if (bounds === undefined) return item;
    if (item.kind === 'anchor') this.#fail(`repeats "${item.character}"`, start);
    if (bounds.max < bounds.min)
      this.#fail('has a repetition whose numbers are out of order', start);
    // Lazy or not: it matters for what is found first, not for what matches.
    this.#take('?');
    return { kind: 'repeat', item, ...bounds };
  }

  #quantifier(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    const counted = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(this.#source.slice(this.#at, this.#at + 24));
    if (counted === null) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    if (counted[2] === undefined) return { min, max: min };
    return { min, max: counted[3] ? Number(counted[3]) : Infinity };
  }

  #atom(): RegexNode {
    const start = this.#at;
    const character = this.#next();
    switch (character) {
      case '^':
      case '$':
        return { kind: 'anchor', character, offset: start };
      case '(':
        return this.#group(start);
      case '[':
        return { kind: 'class', set: this.#characterClass(start) };
      case '.':
        return { kind: 'class', set: this.#dot };
      case '*':
      case '+':
      case '?':
        return this.#fail(`has a "${character}" with nothing before it to repeat`, start);
      case '\\':
        return { kind: 'class', set: this.#cased(this.#escape(start, false)) };
      default:
        return { kind: 'class', set: this.#cased(codePointsOf(character)) };
    }
  }

  #group(start: number): RegexNode {
    for (const [sign, name] of lookarounds) {
      if (this.#source.startsWith(sign, this.#at)) {
        this.#fail(`has ${name}, "(${sign}", which no grammar can say`, start);
      }
    }
    if (this.#take('?')) {
      const name = /^(?::|<[^\s<>()]+>)/.exec(this.#source.slice(this.#at, this.#at + 100));
      if (name === null) this.#fail('has a group of a kind that is not supported', start);
      else this.#at += name[0].length;
    }
    this.#depth += 1;
    if (this.#depth > regexLimits.depth) {
      this.#fail(`has more than ${regexLimits.depth} groups inside each other`, start);
    }
    const inner = this.#choice();
    this.#depth -= 1;
    if (!this.#take(')')) this.#fail('has a "(" that is not closed', start);
    return inner;
  }

  #characterClass(start: number): CodePoints {
    const negated = this.#take('^');
    const parts: (readonly [number, number])[] = [];
    while (!this.#take(']')) {
      if (this.#at >= this.#source.length) this.#fail('has a "[" that is not closed', start);
      const from = this.#classMember();
      const dash = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']';
      if (!dash || this.#at + 1 >= this.#source.length) {
        parts.push(...from);
        continue;
      }
      const offset = this.#at;
      this.#at += 1;
      const to = this.#classMember();
      const [first, last] = [onlyOne(from), onlyOne(to)];
      if (first === undefined || last === undefined) parts.push(...from, single(0x2d), ...to);
      else if (first > last) this.#fail('has a range of characters that is out of order', offset);
      else parts.push([first, last]);
    }
    this.#spend(rangeWork * parts.length);
    const set = this.#cased(union(parts));
    return negated ? complement(set) : intersect(set, allCodePoints);
  }

  #classMember(): CodePoints {
    const start = this.#at;
    const character = this.#next();
    return character === '\\' ? this.#escape(start, true) : codePointsOf(character);
  }

  /** What stands behind a backslash. */
  #escape(start: number, inClass: boolean): CodePoints {
    if (this.#at >= this.#source.length) this.#fail('ends in a backslash', start);
    const character = this.#next();
    // The one negation that looks at case: U+017F is an "s" then, and so no \W.
    if (character === 'W') return complement(this.#cased(classEscapes.get('w') ?? []));
    const named = classEscapes.get(character);
    if (named !== undefined) return named;
    if (character === 'p' || character === 'P') return this.#property(start, character === 'P');
    if (character === 'x' || character === 'u') return [single(this.#hex(start, character))];
    if (inClass && character === 'b') return [single(8)];
    if (character === 'c') {
      const letter = this.#next();
      if (!/^[a-zA-Z]$/.test(letter)) this.#fail('has a "\\c" without a letter', start);
      return [single((letter.codePointAt(0) ?? 0) % 32)];
    }
    if (/[bB]/.test(character))
      this.#fail(`has a word boundary, "\\${character}", which is not supported`, start);
    if (/[1-9k]/.test(character))
      this.#fail(`has a backreference, "\\${character}", which no grammar can say`, start);
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    if (control === undefined && /[a-zA-Z0-9]/.test(character)) {
      this.#fail(`has "\\${character}", which is no escape`, start);
    }
    if (control === '\0' && /^\d/.test(this.#source.slice(this.#at))) {
      this.#fail('has an octal escape; write "\\x" and two digits', start);
    }
    return codePointsOf(control ?? character);
  }

  #property(start: number, negated: boolean): CodePoints {
    const name = /^\{([A-Za-z_]+(?:=[A-Za-z0-9_]+)?)\}/.exec(
      this.#source.slice(this.#at, this.#at + 80),
    );
    if (name !== null && !this.#properties.has(name[1] ?? '')) {
      this.#spend(propertyWork, name[1]);
      this.#properties.add(name[1] ?? '');
    }
    const set = name === null ? undefined : charactersOfProperty(name[1] ?? '');
    if (name === null || set === undefined) {
      return this.#fail('has a "\\p" without a Unicode property', start);
    }
    this.#at += name[0].length;
    this.#spend(rangeWork * set.length);
    return negated ? complement(set) : set;
  }

  #hex(start: number, kind: 'x' | 'u'): number {
    const rest = this.#source.slice(this.#at, this.#at + 12);
    const pattern =
      kind === 'x'
        ? /^([0-9a-fA-F]{2})/
        : /^(?:\{0*([0-9a-fA-F]{1,6})\}|([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4}))/;
    const digits = pattern.exec(rest);
    if (digits === null) return this.#fail(`has a "\\${kind}" without its digits`, start);
    this.#at += digits[0].length;
    const [, first, high, low, four] = digits;
    const code =
      high !== undefined && low !== undefined
        ? 0x10000 + ((parseInt(high, 16) - 0xd800) << 10) + (parseInt(low, 16) - 0xdc00)
        : parseInt(first ?? four ?? '', 16);
    if (code > 0x10ffff) this.#fail('names a character that does not exist', start);
    return code;
  }

  #cased(set: CodePoints): CodePoints {
    return this.#ignoreCase ? inBothCases(set, this.#unicode) : set;
  }

  #take(character: string): boolean {
    if (this.#source[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  /** The next whole character; empty at the end. */
  #next(): string {
    const code = this.#source.codePointAt(this.#at);
    const character = code === undefined ? '' : String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }
}

function onlyOne(set: CodePoints): number | undefined {
  const [first] = set;
  return set.length === 1 && first !== undefined && first[0] === first[1] ? first[0] : undefined;
}
