import { type CharacterRange, type GbnfNode, parseGbnfRules } from './parse-gbnf.js';

/**
 * Reads a grammar in GBNF, llama.cpp's dialect, and gives back the state before the first character.
 * Written to be clear, not fast: for tests and made-up engines.
 *
 * @throws Error that says what is wrong: a mistake in the text, a rule that is missing (`root` among
 * them), or one that begins with itself.
 */
export function parseGbnf(source: string): GbnfState {
  const rules = parseGbnfRules(source);
  if (!rules.has('root')) throw new Error('The grammar has no rule "root".');
  refuseUnknownRules(rules);
  refuseLeftRecursion(rules);
  return GbnfState.start(rules);
}

/** Whether a grammar in GBNF matches the whole of a text. */
export function matchesGbnf(source: string, text: string): boolean {
  return parseGbnf(source).push(text)?.canEnd === true;
}

/** What is still to be matched: one part of a rule, and behind it the rest. Equal ones are one object. */
class Frame {
  readonly #before = new Map<GbnfNode, Frame[]>();

  constructor(
    readonly node: GbnfNode,
    /** For a repetition: how often it has to come yet, and how often it may. */
    readonly min: number,
    readonly max: number,
    /** `undefined` for the end of the grammar alone. */
    readonly rest: Frame | undefined,
  ) {}

  /** The frame that matches a part, and then this one. */
  before(node: GbnfNode): Frame {
    return node.kind === 'repeat'
      ? this.beforeRepeat(node, node.min, node.max)
      : this.beforeRepeat(node, 1, 1);
  }

  /** The frame that matches a repetition so often, and then this one. */
  beforeRepeat(node: GbnfNode, min: number, max: number): Frame {
    const known = this.#before.get(node) ?? [];
    let frame = known.find((other) => other.min === min && other.max === max);
    if (frame === undefined) {
      frame = new Frame(node, min, max, this);
      this.#before.set(node, [...known, frame]);
    }
    return frame;
  }

  /** The frames that this one stands for, one step further in; none for a character. */
  open(rules: ReadonlyMap<string, GbnfNode>): readonly Frame[] {
    const { node, rest } = this;
    if (rest === undefined) return [];
    switch (node.kind) {
      case 'character':
        return [];
      case 'rule':
        return [rest.before(rules.get(node.name)!)];
      case 'choice':
        return node.items.map((item) => rest.before(item));
      case 'sequence':
        return [node.items.reduceRight((then, item) => then.before(item), rest)];
      case 'repeat': {
        if (this.max === 0) return [rest];
        const then = rest.beforeRepeat(node, Math.max(0, this.min - 1), this.max - 1);
        return this.min > 0 ? [then.before(node.item)] : [rest, then.before(node.item)];
      }
    }
  }
}

/** Where a grammar stands after some text. It never changes: `push` gives the next one. */
export class GbnfState {
  readonly #rules: ReadonlyMap<string, GbnfNode>;
  /** Every frame that begins with a character. */
  readonly #heads: readonly Frame[];
  /** Whether the text so far is a whole match. */
  readonly canEnd: boolean;

  private constructor(rules: ReadonlyMap<string, GbnfNode>, frames: readonly Frame[]) {
    this.#rules = rules;
    const seen = new Set<Frame>();
    const todo = [...frames];
    for (let frame = todo.pop(); frame !== undefined; frame = todo.pop()) {
      if (seen.has(frame)) continue;
      seen.add(frame);
      todo.push(...frame.open(rules));
    }
    this.#heads = [...seen].filter(({ node }) => node.kind === 'character');
    this.canEnd = [...seen].some(({ rest }) => rest === undefined);
  }

  /** The state before the first character. */
  static start(rules: ReadonlyMap<string, GbnfNode>): GbnfState {
    const end = new Frame({ kind: 'sequence', items: [] }, 1, 1, undefined);
    return new GbnfState(rules, [end.before({ kind: 'rule', name: 'root' })]);
  }

  /** The characters that may come next; ranges may overlap. */
  get next(): readonly CharacterRange[] {
    return this.#heads.flatMap(({ node }) => (node.kind === 'character' ? node.ranges : []));
  }

  /** The state after more text, or `undefined` where no match begins like that. */
  push(text: string): GbnfState | undefined {
    return Array.from(text).reduce<GbnfState | undefined>(
      (state, character) => state && state.#pushOne(character.codePointAt(0)!),
      this,
    );
  }

  #pushOne(code: number): GbnfState | undefined {
    const rests = this.#heads.flatMap(({ node, rest }) =>
      node.kind === 'character' && rest !== undefined && includes(node.ranges, code) ? [rest] : [],
    );
    return rests.length === 0 ? undefined : new GbnfState(this.#rules, rests);
  }
}

function includes(ranges: readonly CharacterRange[], code: number): boolean {
  return ranges.some(([first, last]) => first <= code && code <= last);
}

function refuseUnknownRules(rules: ReadonlyMap<string, GbnfNode>): void {
  for (const [name, node] of rules) {
    for (const other of namesIn(node)) {
      if (!rules.has(other)) {
        throw new Error(`The rule "${name}" of the grammar needs "${other}", which is not there.`);
      }
    }
  }
}

function namesIn(node: GbnfNode): readonly string[] {
  if (node.kind === 'rule') return [node.name];
  if (node.kind === 'repeat') return namesIn(node.item);
  return node.kind === 'character' ? [] : node.items.flatMap(namesIn);
}

/** A rule that begins with itself would be opened for ever. */
function refuseLeftRecursion(rules: ReadonlyMap<string, GbnfNode>): void {
  const nullable = nullableRules(rules);
  const first = new Map([...rules].map(([name, node]) => [name, firstNames(node, nullable)]));
  for (const name of rules.keys()) {
    const reached = new Set<string>();
    const todo = [...first.get(name)!];
    for (let other = todo.pop(); other !== undefined; other = todo.pop()) {
      if (other === name) throw new Error(`The rule "${name}" of the grammar begins with itself.`);
      if (reached.has(other)) continue;
      reached.add(other);
      todo.push(...first.get(other)!);
    }
  }
}

function nullableRules(rules: ReadonlyMap<string, GbnfNode>): ReadonlySet<string> {
  const nullable = new Set<string>();
  for (let before = -1; before < nullable.size;) {
    before = nullable.size;
    for (const [name, node] of rules) if (isNullable(node, nullable)) nullable.add(name);
  }
  return nullable;
}

function isNullable(node: GbnfNode, nullable: ReadonlySet<string>): boolean {
  switch (node.kind) {
    case 'character':
      return false;
    case 'rule':
      return nullable.has(node.name);
    case 'choice':
      return node.items.some((item) => isNullable(item, nullable));
    case 'sequence':
      return node.items.every((item) => isNullable(item, nullable));
    case 'repeat':
      return node.min === 0 || isNullable(node.item, nullable);
  }
}

/** The rules that a part can begin with. */
function firstNames(node: GbnfNode, nullable: ReadonlySet<string>): readonly string[] {
  if (node.kind === 'rule') return [node.name];
  if (node.kind === 'repeat') return firstNames(node.item, nullable);
  if (node.kind === 'choice') return node.items.flatMap((item) => firstNames(item, nullable));
  if (node.kind === 'character') return [];
  const solid = node.items.findIndex((item) => !isNullable(item, nullable));
  const begin = solid < 0 ? node.items : node.items.slice(0, solid + 1);
  return begin.flatMap((item) => firstNames(item, nullable));
}
