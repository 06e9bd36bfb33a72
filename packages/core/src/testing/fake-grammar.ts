import type { GenerateSpec, GrammarSpec } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeFault } from './fake-faults.js';
import type { CharacterRange } from './parse-gbnf.js';
import { type GbnfState, parseGbnf } from './gbnf-recognizer.js';

/** A grammar over the fake engine's vocabulary, whose tokens are bytes. */
export class FakeGrammar {
  #state: GbnfState;
  /** The characters that may come next. */
  #next: readonly CharacterRange[];
  /** Bytes of a character that is not whole yet. */
  #bytes: readonly number[] = [];
  readonly #endTokens: ReadonlySet<Token>;
  readonly #fault: FakeFault | undefined;
  /** Choices that it has refused. */
  rejectedTokens = 0;

  /** `cache` ends with the tokens of the answer that the grammar has seen. */
  constructor(
    { source, answerTokens }: GrammarSpec,
    { endTokens }: GenerateSpec,
    cache: readonly Token[],
    fault: FakeFault | undefined,
  ) {
    this.#state = readGrammar(source, fault);
    this.#next = this.#state.next;
    this.#endTokens = endTokens;
    this.#fault = fault;
    if (answerTokens === 0 || fault === 'forgets-grammar-progress') return;
    for (const token of cache.slice(-answerTokens)) this.accept(token);
  }

  /** Whether nothing can follow. */
  get mustEnd(): boolean {
    return this.canEnd && this.#next.length === 0;
  }

  /** Whether the answer may end here. */
  get canEnd(): boolean {
    return this.#bytes.length === 0 && this.#state.canEnd;
  }

  /** Whether a token can follow. */
  allows(token: Token): boolean {
    if (this.#fault === 'ignores-grammar') return true;
    if (this.#endTokens.has(token)) {
      return this.canEnd || this.#fault === 'ends-against-grammar';
    }
    if (token >= 256) return this.#fault === 'allows-special-tokens';
    const [low, high] = codePointsOf([...this.#bytes, token]);
    return this.#next.some(([first, last]) => low <= last && first <= high);
  }

  /** Goes on by a token. */
  accept(token: Token): void {
    if (token >= 256 || this.#endTokens.has(token)) return;
    const bytes = [...this.#bytes, token];
    const [low, high] = codePointsOf(bytes);
    this.#bytes = low === high ? [] : bytes;
    if (low !== high) return;
    this.#state = this.#state.push(String.fromCodePoint(low)) ?? this.#state;
    this.#next = this.#state.next;
  }
}

function readGrammar(source: string, fault: FakeFault | undefined): GbnfState {
  try {
    return parseGbnf(source);
  } catch (error) {
    if (fault === 'takes-any-grammar') return parseGbnf('root ::= .*');
    const message = error instanceof Error ? error.message : String(error);
    const details = { line: Number(/line (\d+)/.exec(message)?.[1] ?? 1), column: 1 };
    throw new MobillmError('GRAMMAR_INVALID', message, { details, cause: error });
  }
}

/** The characters whose UTF-8 begins with some bytes; an empty range where none does. */
function codePointsOf(bytes: readonly number[]): readonly [low: number, high: number] {
  const [lead = 0, ...rest] = bytes;
  if (lead < 0x80) return [lead, lead];
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || rest.some((byte) => (byte & 0xc0) !== 0x80)) return [1, 0];
  const known = rest.reduce((value, byte) => value * 64 + (byte & 0x3f), lead & (0x7f >> length));
  const open = 64 ** (length - bytes.length);
  const [low, high] = [known * open, known * open + open - 1];
  const [first, last] =
    length === 2 ? [0x80, 0x7ff] : length === 3 ? [0x800, 0xffff] : [0x10000, 0x10ffff];
  // Halves of surrogate pairs have no spelling.
  if (low >= 0xd800 && high <= 0xdfff) return [1, 0];
  return [Math.max(low, first), Math.min(high, last)];
}
