import {
  type CallPiece,
  ToolCallSplitter,
  type ToolCallSplitterOptions,
} from '../chat/tools/tool-call-splitter.js';
import {
  type OutputPiece,
  ReasoningSplitter,
  reasoningMarks,
} from '../stream/reasoning-splitter.js';
import { StopStringMatcher } from '../stream/stop-string-matcher.js';
import { Utf8Assembler } from '../stream/utf8-assembler.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';

/** A piece of reasoning or answer, or something of a call. */
export type PipelinePiece = OutputPiece | Exclude<CallPiece, { kind: 'text' | 'syntax' }>;

/** What some tokens came to as text. */
export interface OutputStep {
  /** Pieces that are certain, in order. */
  readonly pieces: readonly PipelinePiece[];
  /** The stop string that was found in the answer. */
  readonly stop?: {
    readonly text: string;
    /** Where it begins in {@link OutputPipeline.rawText}. */
    readonly offset: number;
  };
}

/**
 * From tokens to the text that a caller sees: bytes, whole characters, reasoning apart from the
 * answer, calls apart from its text, stop strings in that text alone.
 */
export class OutputPipeline {
  readonly #tokenizer: Tokenizer;
  readonly #utf8 = new Utf8Assembler();
  readonly #splitter: ReasoningSplitter | undefined;
  readonly #stops: StopStringMatcher;
  readonly #calls: ToolCallSplitter | undefined;
  readonly #shownSpecial: ReadonlySet<Token>;
  /** Length of the whole text after each token, to find the tokens before a stop string. */
  readonly #lengthAfterToken: number[] = [];
  #rawText = '';
  /** Length of the part of the answer that the calls' splitter has not let out. */
  #heldLength = 0;
  #dropsSpace: boolean;

  constructor(options: {
    readonly tokenizer: Tokenizer;
    readonly stops: readonly string[];
    readonly splitReasoning: boolean;
    readonly insideReasoning: boolean;
    /** Whether a single space at the very beginning belongs to the vocabulary, not to the text. */
    readonly dropsLeadingSpace: boolean;
    /** How calls are found, where tools were given. */
    readonly calls?:
      | (ToolCallSplitterOptions & {
          /** What calls begin with and the prompt holds already. */
          readonly begun?: string | undefined;
        })
      | undefined;
  }) {
    this.#tokenizer = options.tokenizer;
    this.#stops = new StopStringMatcher(options.stops);
    this.#splitter = options.splitReasoning
      ? new ReasoningSplitter(options.insideReasoning)
      : undefined;
    this.#dropsSpace = options.dropsLeadingSpace;
    this.#calls = options.calls && new ToolCallSplitter(options.calls);
    // Marks alone, which the splitter keeps back: nothing comes out of them yet.
    const { begun = '' } = options.calls ?? {};
    this.#heldLength = begun.length;
    this.#calls?.push(begun);
    // Some vocabularies hold these marks as special tokens, which decode to nothing.
    const marks = new Set<string>([
      reasoningMarks.open,
      reasoningMarks.close,
      ...(options.calls?.format.marks ?? []),
    ]);
    this.#shownSpecial = new Set(
      options.tokenizer.specialTokens
        .filter(({ text }) => marks.has(text))
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

  /** What was kept back of an answer that was broken off, so that no call is lost in its middle. */
  abandon(): readonly PipelinePiece[] {
    const pieces: PipelinePiece[] = [];
    if (this.#calls) this.#matchStops(this.#calls.end(), pieces);
    return pieces;
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
    const kept = this.#takeAnswer(this.#splitter?.end() ?? [], true);
    const pieces = [...last.pieces, ...kept.pieces];
    if (kept.stop) return { pieces, stop: kept.stop };
    this.#releaseStops(pieces);
    return { pieces };
  }

  #advance(text: string): OutputStep {
    if (text === '') return { pieces: [] };
    return this.#takeAnswer(this.#splitter?.push(text) ?? [{ kind: 'answer', text }], false);
  }

  /** Finds calls and stop strings in what the answer has of these pieces. */
  #takeAnswer(pieces: readonly OutputPiece[], ends: boolean): OutputStep {
    const out: PipelinePiece[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'reasoning') {
        out.push(piece);
        continue;
      }
      this.#heldLength += piece.text.length;
      const stop = this.#matchStops(this.#split(piece.text), out);
      if (stop) return { pieces: out, stop };
    }
    const stop = ends && this.#calls ? this.#matchStops(this.#calls.end(), out) : undefined;
    return { pieces: out, ...(stop && { stop }) };
  }

  #split(text: string): readonly CallPiece[] {
    return this.#calls?.push(text) ?? [{ kind: 'text', text, raw: text }];
  }

  #matchStops(pieces: readonly CallPiece[], out: PipelinePiece[]): OutputStep['stop'] {
    for (const piece of pieces) {
      this.#heldLength -= piece.raw.length;
      if (piece.kind !== 'text') {
        // A stop string does not go on behind a call.
        if (piece.kind !== 'call-delta') this.#releaseStops(out);
        if (piece.kind !== 'syntax') out.push(piece);
        continue;
      }
      const { text, stopString, rest = '' } = this.#stops.push(piece.text);
      if (text !== '') out.push({ kind: 'answer', text });
      if (stopString === undefined) continue;
      // What the splitter holds, and the rest of this piece, come after the stop string.
      const end = this.#rawText.length - this.#heldLength - rest.length;
      return { text: stopString, offset: end - stopString.length };
    }
    return undefined;
  }

  #releaseStops(out: PipelinePiece[]): void {
    const held = this.#stops.end();
    if (held !== '') out.push({ kind: 'answer', text: held });
  }
}
