import { maxJsonDepth } from './check-tools.js';
import type { ToolCallProblem } from './tool-call.js';

/** A part of reading that waits, by yielding, where more text is needed to decide. */
export type Reading<T> = Generator<void, T, void>;

/** Thrown by a reading: what began as a call is none that can be made. */
export class BrokenCall extends Error {
  readonly reason: ToolCallProblem['reason'];

  constructor(reason: ToolCallProblem['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Thrown by a reading: this only looked like the beginning of a call, and is text. */
export class NotACall extends Error {}

/**
 * Text that arrives in pieces, read character by character by one coroutine. What is read depends on
 * the characters alone, never on the pieces.
 */
export class CallReader {
  /** Read since it was last taken. Only ever added to: looking into it would copy it each time. */
  #read = '';
  /** What came after that; read up to a position. */
  #text = '';
  #position = 0;
  #ended = false;

  /** Takes more text. */
  feed(piece: string): void {
    this.#read += this.#text.slice(0, this.#position);
    this.#text = this.#text.slice(this.#position) + piece;
    this.#position = 0;
  }

  /** Says that no more text comes. */
  end(): void {
    this.#ended = true;
  }

  /** Whether no more text comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What has come and is not read. */
  get rest(): string {
    return this.#text.slice(this.#position);
  }

  /** Counts characters of `rest` as read. */
  skip(count: number): void {
    this.#position += count;
  }

  /** What was read since the last call of this. */
  take(): string {
    this.feed('');
    const text = this.#read;
    this.#read = '';
    return text;
  }

  /** The next character, which stays unread; `''` at the end of the text. */
  *peek(): Reading<string> {
    while (this.#position >= this.#text.length && !this.#ended) yield;
    return this.#text.charAt(this.#position);
  }

  /** Reads white space. */
  *skipSpace(): Reading<void> {
    while (isSpace(yield* this.peek())) this.#position++;
  }

  /** Reads exactly this text if it comes next. */
  *literal(expected: string): Reading<boolean> {
    for (;;) {
      const found = this.#text.slice(this.#position, this.#position + expected.length);
      if (!expected.startsWith(found)) return false;
      if (found.length === expected.length) {
        this.#position += found.length;
        return true;
      }
      if (this.#ended) return false;
      yield;
    }
  }

  /** Reads the first of these texts that comes next. */
  *anyOf(choices: readonly string[]): Reading<string | undefined> {
    for (const choice of choices) if (yield* this.literal(choice)) return choice;
    return undefined;
  }

  /** Reads this text, or else the call is malformed. */
  *expect(expected: string): Reading<void> {
    if (yield* this.literal(expected)) return;
    const found = yield* this.peek();
    throw found === ''
      ? incomplete()
      : new BrokenCall('malformed', `"${expected}" was expected, but "${found}" came`);
  }

  /** Reads characters that match, of which there are at most so many. */
  *word(pattern: RegExp, maxLength = 256): Reading<string> {
    let word = '';
    for (;;) {
      const character = yield* this.peek();
      if (character === '' || !pattern.test(character)) return word;
      if (word.length === maxLength) throw new BrokenCall('malformed', 'its name is too long');
      word += character;
      this.#position++;
    }
  }

  /** Reads up to a text and that text, and gives what stands before it. */
  *until(end: string): Reading<string> {
    let before = '';
    for (;;) {
      const rest = this.rest;
      const index = rest.indexOf(end);
      // The last characters may be the beginning of what is looked for.
      const certain = index >= 0 ? index : this.#ended ? rest.length : rest.length - end.length + 1;
      if (certain > 0) {
        before += rest.slice(0, certain);
        this.#position += certain;
      }
      if (index >= 0) {
        this.#position += end.length;
        return before;
      }
      if (this.#ended) throw incomplete();
      yield;
    }
  }

  /**
   * Reads one JSON value by its brackets and quotes alone; whether it is JSON is seen when it is parsed.
   *
   * @param onText told the text as it comes.
   */
  *json(onText?: (text: string) => void): Reading<string> {
    yield* this.skipSpace();
    let value = '';
    const scan = new JsonScan();
    for (;;) {
      const from = this.#position;
      while (!scan.done && this.#position < this.#text.length) {
        if (scan.take(this.#text.charAt(this.#position))) this.#position++;
      }
      const more = this.#text.slice(from, this.#position);
      value += more;
      if (more !== '') onText?.(more);
      if (scan.done || (this.#ended && scan.isScalar)) return value;
      if (this.#ended) throw incomplete();
      yield;
    }
  }
}

/** Finds the end of a JSON value. */
class JsonScan {
  done = false;
  #depth = 0;
  #state: 'beginning' | 'scalar' | 'string' | 'escape' | 'between' = 'beginning';

  /** Whether it is a number or a word, which nothing ends but what comes after it. */
  get isScalar(): boolean {
    return this.#state === 'scalar';
  }

  /** Takes a character; `false` where it stands behind the value. */
  take(character: string): boolean {
    switch (this.#state) {
      case 'escape':
        this.#state = 'string';
        return true;
      case 'string':
        if (character === '\\') this.#state = 'escape';
        else if (character === '"') this.#close();
        return true;
      case 'scalar':
        this.done = isSpace(character) || ',]}:'.includes(character);
        return !this.done;
      case 'beginning':
      case 'between':
        return this.#open(character);
    }
  }

  #open(character: string): boolean {
    if (character === '"') this.#state = 'string';
    else if (character === '{' || character === '[') {
      this.#state = 'between';
      if (++this.#depth > maxJsonDepth) {
        throw new BrokenCall('malformed', `it is nested deeper than ${maxJsonDepth} levels`);
      }
    } else if (this.#state === 'between') {
      if (character === '}' || character === ']') {
        this.#depth--;
        this.#close();
      }
    } else if (',]}:'.includes(character)) {
      throw new BrokenCall('malformed', `a value was expected, but "${character}" came`);
    } else this.#state = 'scalar';
    return true;
  }

  #close(): void {
    this.#state = 'between';
    this.done = this.#depth === 0;
  }
}

/** Whether it is white space, as JSON and Python know it. */
export function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r';
}

/** What is thrown where the answer ends in the middle of a call. */
export function incomplete(): BrokenCall {
  return new BrokenCall('incomplete', 'the answer ended in its middle');
}
