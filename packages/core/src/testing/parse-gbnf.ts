/** Code points from `first` to `last`, both included. */
export type CharacterRange = readonly [first: number, last: number];

/** One part of a rule, as `parseGbnfRules` reads it. */
export type GbnfNode =
  | { readonly kind: 'character'; readonly ranges: readonly CharacterRange[] }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'sequence'; readonly items: readonly GbnfNode[] }
  | { readonly kind: 'choice'; readonly items: readonly GbnfNode[] }
  | {
      readonly kind: 'repeat';
      readonly item: GbnfNode;
      readonly min: number;
      /** `Infinity` where there is no bound. */
      readonly max: number;
    };

const lastCodePoint = 0x10ffff;
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  '"': '"',
  '[': '[',
  ']': ']',
};
const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * Reads the rules of a grammar in GBNF, llama.cpp's dialect.
 *
 * @throws Error that says what is wrong and in which line.
 */
export function parseGbnfRules(source: string): ReadonlyMap<string, GbnfNode> {
  return new Parser(source).rules();
}

/** A reader by recursive descent: one method for each thing that the dialect knows. */
class Parser {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  rules(): ReadonlyMap<string, GbnfNode> {
    const rules = new Map<string, GbnfNode>();
    this.#space(true);
    while (this.#peek() !== undefined) {
      const name = this.#name();
      this.#space(false);
      for (const character of '::=') this.#take(character);
      this.#space(true);
      if (rules.has(name)) this.#fail(`the rule "${name}" stands there twice`);
      rules.set(name, this.#choice(false));
      this.#space(false);
      if (this.#peek() !== undefined && !this.#newline()) this.#fail('a new line has to come here');
      this.#space(true);
    }
    return rules;
  }

  #choice(nested: boolean): GbnfNode {
    const items = [this.#sequence(nested)];
    while (this.#peek() === '|') {
      this.#at += 1;
      this.#space(true);
      items.push(this.#sequence(nested));
    }
    return items.length === 1 ? items[0]! : { kind: 'choice', items };
  }

  #sequence(nested: boolean): GbnfNode {
    const items: GbnfNode[] = [];
    for (;;) {
      let item = this.#item();
      if (item === undefined) break;
      this.#space(nested);
      for (let bounds = this.#bounds(); bounds !== undefined; bounds = this.#bounds()) {
        item = { kind: 'repeat', item, ...bounds };
        this.#space(nested);
      }
      items.push(item);
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items };
  }

  #item(): GbnfNode | undefined {
    const next = this.#peek();
    if (next === '"') return this.#literal();
    if (next === '[') return this.#characterClass();
    if (next === '.') {
      this.#at += 1;
      return { kind: 'character', ranges: [[0, lastCodePoint]] };
    }
    if (next === '(') {
      this.#at += 1;
      this.#space(true);
      const inner = this.#choice(true);
      this.#take(')');
      return inner;
    }
    return next !== undefined && isNameCharacter(next)
      ? { kind: 'rule', name: this.#name() }
      : undefined;
  }

  #literal(): GbnfNode {
    const items: GbnfNode[] = [];
    this.#at += 1;
    while (this.#peek() !== '"') {
      const code = this.#character();
      items.push({ kind: 'character', ranges: [[code, code]] });
    }
    this.#at += 1;
    return { kind: 'sequence', items };
  }

  #characterClass(): GbnfNode {
    this.#at += 1;
    const negated = this.#peek() === '^';
    if (negated) this.#at += 1;
    const ranges: CharacterRange[] = [];
    while (this.#peek() !== ']') {
      const first = this.#character();
      let last = first;
      if (this.#peek() === '-' && this.#characters[this.#at + 1] !== ']') {
        this.#at += 1;
        last = this.#character();
      }
      if (last < first) this.#fail('a range of characters ends before it begins');
      ranges.push([first, last]);
    }
    this.#at += 1;
    return { kind: 'character', ranges: negated ? complement(ranges) : ranges };
  }

  /** The bounds of a repetition, if one comes next. */
  #bounds(): { readonly min: number; readonly max: number } | undefined {
    const next = this.#peek();
    if (next === '*' || next === '+' || next === '?') {
      this.#at += 1;
      return { min: next === '+' ? 1 : 0, max: next === '?' ? 1 : Infinity };
    }
    if (next !== '{') return undefined;
    this.#at += 1;
    const min = this.#number();
    let max = min;
    if (this.#peek() === ',') {
      this.#at += 1;
      this.#space(false);
      max = this.#peek() === '}' ? Infinity : this.#number();
    }
    this.#take('}');
    if (max < min) this.#fail('a repetition has a maximum below its minimum');
    return { min, max };
  }

  #number(): number {
    this.#space(false);
    let digits = '';
    while (/\d/.test(this.#peek() ?? '')) digits += this.#characters[this.#at++]!;
    if (digits === '') this.#fail('a number has to come here');
    this.#space(false);
    return Number(digits);
  }

  /** One character of a literal or a class, escaped or not. */
  #character(): number {
    const next = this.#peek();
    if (next === undefined) return this.#fail('a literal or a class does not end');
    this.#at += 1;
    if (next !== '\\') return next.codePointAt(0)!;
    const escape = this.#peek() ?? '';
    this.#at += 1;
    const plain = escapes[escape];
    if (plain !== undefined) return plain.codePointAt(0)!;
    const digits = hexDigits[escape];
    if (digits === undefined) return this.#fail(`"\\${escape}" is no escape`);
    const hex = this.#characters.slice(this.#at, this.#at + digits).join('');
    const code = /^[0-9a-fA-F]+$/.test(hex) && hex.length === digits ? parseInt(hex, 16) : Infinity;
    if (code > lastCodePoint) this.#fail(`"\\${escape}${hex}" is no character`);
    this.#at += digits;
    return code;
  }

  #name(): string {
    let name = '';
    while (isNameCharacter(this.#peek() ?? '')) name += this.#characters[this.#at++]!;
    if (name === '') this.#fail('the name of a rule has to come here');
    return name;
  }

  /** Passes over blanks and comments, and over line ends where they mean nothing. */
  #space(newlines: boolean): void {
    for (;;) {
      const next = this.#peek();
      if (next === '#') {
        while (this.#peek() !== undefined && !this.#newline()) this.#at += 1;
      } else if (next === ' ' || next === '\t' || (newlines && this.#newline())) {
        this.#at += 1;
      } else {
        return;
      }
    }
  }

  #newline(): boolean {
    return this.#peek() === '\n' || this.#peek() === '\r';
  }

  #take(character: string): void {
    if (this.#peek() !== character) this.#fail(`"${character}" has to come here`);
    this.#at += 1;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #fail(what: string): never {
    const line = this.#characters.slice(0, this.#at).filter((c) => c === '\n').length + 1;
    throw new Error(`The grammar is wrong in line ${line}: ${what}.`);
  }
}

function isNameCharacter(character: string): boolean {
  return /^[a-zA-Z0-9-]$/.test(character);
}

function complement(ranges: readonly CharacterRange[]): readonly CharacterRange[] {
  const rest: CharacterRange[] = [];
  let from = 0;
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (first > from) rest.push([from, first - 1]);
    from = Math.max(from, last + 1);
  }
  if (from <= lastCodePoint) rest.push([from, lastCodePoint]);
  return rest;
}
