import { StopStringMatcher } from './stop-string-matcher.js';

/** A piece of output and what it is. */
export interface OutputPiece {
  readonly kind: 'reasoning' | 'answer';
  readonly text: string;
}

/** Marks around what a model thinks before it answers; the same in every family that has them. */
export const reasoningMarks = { open: '<think>', close: '</think>' } as const;

/**
 * Splits a leading `<think>…</think>` block from the answer, in a text that arrives in pieces. Only a
 * block at the very beginning counts: one that a model quotes later is part of its answer.
 *
 * White space around the block belongs to neither side.
 */
export class ReasoningSplitter {
  #state: 'beginning' | 'reasoning' | 'after' | 'answer';
  /** Text at the beginning that is not decided yet: white space or part of the opening mark. */
  #undecided = '';
  readonly #close = new StopStringMatcher([reasoningMarks.close]);

  /** @param inside whether the prompt opened the block already, as some templates do. */
  constructor(inside = false) {
    this.#state = inside ? 'reasoning' : 'beginning';
  }

  /** Takes the next piece and returns what it makes certain, in order, without empty pieces. */
  push(piece: string): OutputPiece[] {
    const out: OutputPiece[] = [];
    let rest = piece;
    if (this.#state === 'beginning') rest = this.#pushBeginning(rest);
    if (this.#state === 'reasoning') rest = this.#pushReasoning(rest, out);
    if (this.#state === 'after') rest = this.#pushAfter(rest);
    if (this.#state === 'answer' && rest !== '') out.push({ kind: 'answer', text: rest });
    return out;
  }

  /** Ends the text and returns what was kept back. */
  end(): OutputPiece[] {
    const kept =
      this.#state === 'reasoning'
        ? ({ kind: 'reasoning', text: this.#close.end() } as const)
        : ({ kind: 'answer', text: this.#undecided } as const);
    this.#undecided = '';
    return kept.text === '' ? [] : [kept];
  }

  /** Decides whether a block opens; returns the text that goes on to the next state. */
  #pushBeginning(piece: string): string {
    const text = this.#undecided + piece;
    const trimmed = text.trimStart();
    if (trimmed.startsWith(reasoningMarks.open)) {
      this.#state = 'reasoning';
      this.#undecided = '';
      return trimmed.slice(reasoningMarks.open.length);
    }
    if (reasoningMarks.open.startsWith(trimmed)) {
      this.#undecided = text;
      return '';
    }
    this.#state = 'answer';
    this.#undecided = '';
    return text;
  }

  #pushReasoning(piece: string, out: OutputPiece[]): string {
    const step = this.#close.push(piece);
    if (step.text !== '') out.push({ kind: 'reasoning', text: step.text });
    if (step.stopString === undefined) return '';
    this.#state = 'after';
    return step.rest ?? '';
  }

  /** Drops white space between the block and the answer. */
  #pushAfter(piece: string): string {
    const text = piece.trimStart();
    if (text === '') return '';
    this.#state = 'answer';
    return text;
  }
}
