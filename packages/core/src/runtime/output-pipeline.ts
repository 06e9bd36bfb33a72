import {
  type OutputPiece,
  ReasoningSplitter,
  reasoningMarks,
} from '../stream/reasoning-splitter.js';
import { StopStringMatcher } from '../stream/stop-string-matcher.js';
import { Utf8Assembler } from '../stream/utf8-assembler.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';

/** What some tokens came to as text. */
export interface OutputStep {
  /** Pieces that are certain, in order. */
  readonly pieces: readonly OutputPiece[];
  /** The stop string that was found in the answer. */
  readonly stop?: {
    readonly text: string;
    /** Where it begins in {@link OutputPipeline.rawText}. */
    readonly offset: number;
  };
}

/**
 * From tokens to the text that a caller sees: bytes, whole characters, reasoning apart from the
 * answer, stop strings in the answer alone.
 */
export class OutputPipeline {
  readonly #tokenizer: Tokenizer;
  readonly #utf8 = new Utf8Assembler();
  readonly #splitter: ReasoningSplitter | undefined;
  readonly #stops: StopStringMatcher;
  readonly #shownSpecial: ReadonlySet<Token>;
  /** Length of the whole text after each token, to find the tokens before a stop string. */
  readonly #lengthAfterToken: number[] = [];
  #rawText = '';
  #dropsSpace: boolean;

  constructor(options: {
    readonly tokenizer: Tokenizer;
    readonly stops: readonly string[];
    readonly splitReasoning: boolean;
    readonly insideReasoning: boolean;
    /** Whether a single space at the very beginning belongs to the vocabulary, not to the text. */
    readonly dropsLeadingSpace: boolean;
  }) {
    this.#tokenizer = options.tokenizer;
    this.#stops = new StopStringMatcher(options.stops);
    this.#splitter = options.splitReasoning
      ? new ReasoningSplitter(options.insideReasoning)
      : undefined;
    this.#dropsSpace = options.dropsLeadingSpace;
    // Some vocabularies hold the reasoning marks as special tokens, which decode to nothing.
    this.#shownSpecial = new Set(
      options.tokenizer.specialTokens
        .filter(({ text }) => text === reasoningMarks.open || text === reasoningMarks.close)
        .map(({ token }) => token),
    );
  }

  /** Everything decoded so far, reasoning marks and stop string included. */
  get rawText(): string {
    return this.#rawText;
  }

  /** How many of the tokens lie wholly before an offset of `rawText`. */
  tokensBefore(offset: number): number {
    const lengths = this.#lengthAfterToken;
    let count = lengths.filter((length) => length <= offset).length;
    // A token that added no character may hold the first bytes of the one at the offset.
    while (count > 0 && lengths[count - 1] === (lengths[count - 2] ?? 0)) count--;
    return count;
  }

  /** `rawText` as it was after that many tokens. */
  rawTextAfter(tokenCount: number): string {
    return this.#rawText.slice(0, tokenCount === 0 ? 0 : this.#lengthAfterToken[tokenCount - 1]);
  }

  /** Takes the next token. */
  push(token: Token): OutputStep {
    const bytes = this.#tokenizer.tokenBytes(token, { showSpecial: this.#shownSpecial.has(token) });
    let text = this.#utf8.push(bytes);
    if (this.#dropsSpace && text !== '') {
      this.#dropsSpace = false;
      if (text.startsWith(' ')) text = text.slice(1);
    }
    this.#rawText += text;
    this.#lengthAfterToken.push(this.#rawText.length);
    return this.#advance(text);
  }

  /** Ends the text: what was kept back comes out. */
  end(): OutputStep {
    const text = this.#utf8.end();
    this.#rawText += text;
    const last = this.#advance(text);
    if (last.stop) return last;
    const kept = this.#matchStops(this.#splitter?.end() ?? []);
    const pieces = [...last.pieces, ...kept.pieces];
    if (kept.stop) return { pieces, stop: kept.stop };
    const held = this.#stops.end();
    if (held !== '') pieces.push({ kind: 'answer', text: held });
    return { pieces };
  }

  #advance(text: string): OutputStep {
    if (text === '') return { pieces: [] };
    return this.#matchStops(this.#splitter?.push(text) ?? [{ kind: 'answer', text }]);
  }

  #matchStops(pieces: readonly OutputPiece[]): OutputStep {
    const out: OutputPiece[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'reasoning') {
        out.push(piece);
        continue;
      }
      // An answer is always the last piece of a step, so what follows the stop string ends rawText.
      const { text, stopString, rest = '' } = this.#stops.push(piece.text);
      if (text !== '') out.push({ kind: 'answer', text });
      if (stopString !== undefined) {
        const offset = this.#rawText.length - rest.length - stopString.length;
        return { pieces: out, stop: { text: stopString, offset } };
      }
    }
    return { pieces: out };
  }
}
