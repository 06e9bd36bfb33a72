import {
  type CallContext,
  type CallFormat,
  type CallOpening,
  continuation,
} from './call-format.js';
import { BrokenCall, CallReader, isSpace, NotACall, type Reading } from './call-reader.js';
import { wrongArguments } from './check-arguments.js';
import { writeJson } from './parse-json.js';
import type { ToolCall, ToolCallProblem } from './tool-call.js';
import type { ToolDefinition } from './tool-definition.js';

/** A piece of an answer, and what the model wrote for it: all `raw` together are what it wrote. */
export type CallPiece = { readonly raw: string } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call-start'; readonly id: string; readonly name: string }
  | { readonly kind: 'call-delta'; readonly id: string; readonly text: string }
  | { readonly kind: 'call'; readonly call: ToolCall }
  /** What was written comes as a text piece right behind it. */
  | {
      readonly kind: 'call-problem';
      readonly problem: ToolCallProblem;
      readonly id: string | undefined;
    }
  /** Marks and white space around calls. */
  | { readonly kind: 'syntax' }
);

/** What a {@link ToolCallSplitter} is told. */
export interface ToolCallSplitterOptions {
  readonly format: CallFormat;
  readonly tools: readonly ToolDefinition[];
  /** Ids of the calls that went before in the conversation. */
  readonly usedIds: Iterable<string>;
  /** What the prompt ends with. */
  readonly promptText?: string;
}

/** Longest id that is taken from a model. */
const ownId = /^\w{1,64}$/u;

/**
 * Splits calls from the text of an answer that arrives in pieces. Text that may still become a call is
 * kept back; what turns out to be none, or cannot be made, comes out as text.
 */
export class ToolCallSplitter {
  readonly #reader = new CallReader();
  readonly #openings: readonly CallOpening[];
  readonly #context: CallContext;
  readonly #running: Reading<void>;
  readonly #tools: ReadonlyMap<string, ToolDefinition>;
  readonly #usedIds: Set<string>;
  #count: number;
  #out: CallPiece[] = [];
  /** The call that is being read. */
  #current: { readonly id: string; readonly name: string; told: boolean } | undefined;
  /** Whether the last call that was read became text, and so what closes it, too. */
  #broken = false;
  /** Where the reader stands, for openings that are not possible everywhere. */
  #place = { start: true, line: true, afterCall: false };

  constructor({ format, tools, usedIds, promptText = '' }: ToolCallSplitterOptions) {
    this.#openings = format.openings;
    this.#tools = new Map(tools.map((tool) => [tool.function.name, tool]));
    this.#usedIds = new Set(usedIds);
    this.#count = this.#usedIds.size;
    this.#context = {
      reader: this.#reader,
      tools: this.#tools,
      begin: (name, id) => {
        this.#begin(name, id);
      },
      delta: (text) => {
        this.#delta(text);
      },
      finish: (given) => {
        this.#finish(given);
      },
    };
    this.#running = this.#run(continuation(format, promptText)?.read);
  }

  /** Takes the next piece and returns what it makes certain, in order. */
  push(piece: string): CallPiece[] {
    this.#reader.feed(piece);
    return this.#advance();
  }

  /** Ends the text: what was kept back comes out. */
  end(): CallPiece[] {
    this.#reader.end();
    return this.#advance();
  }

  #advance(): CallPiece[] {
    this.#running.next();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  *#run(first: CallOpening['read'] | undefined): Reading<void> {
    if (first) yield* this.#readCalls(first);
    while ((yield* this.#reader.peek()) !== '') {
      const opening = this.#search();
      if (!opening) {
        // All that is certain is out; what is left may be the beginning of a mark.
        if (!this.#reader.ended) yield;
        continue;
      }
      if (!opening.keepsMark) this.#reader.skip(opening.mark.length);
      yield* this.#readCalls(opening.read);
    }
  }

  *#readCalls(read: CallOpening['read']): Reading<void> {
    this.#broken = false;
    try {
      yield* read(this.#context);
      this.#close();
    } catch (error) {
      if (error instanceof BrokenCall) this.#problem(error);
      else if (error instanceof NotACall) this.#text();
      else throw error;
    } finally {
      this.#current = undefined;
    }
  }

  /** What closes a call goes where the call went. */
  #close(): void {
    if (this.#broken) this.#text();
    else this.#syntax();
    this.#place = { start: true, line: true, afterCall: !this.#broken };
  }

  /** Lets out the text before the next opening, or all that cannot be part of one. */
  #search(): CallOpening | undefined {
    const text = this.#reader.rest;
    if (this.#place.afterCall) {
      const spaces = text.length - text.trimStart().length;
      this.#reader.skip(spaces);
      this.#syntax();
      if (spaces === text.length) return undefined;
      this.#place.afterCall = false;
      return this.#search();
    }
    for (let index = 0; index < text.length; index++) {
      for (const opening of this.#openings) {
        if (opening.where !== 'anywhere' && !this.#place[opening.where]) continue;
        const { mark } = opening;
        if (text.startsWith(mark, index)) {
          this.#letOut(index);
          return opening;
        }
        const left = text.length - index;
        const may = left < mark.length && mark.startsWith(text.slice(index));
        if (may && !this.#reader.ended) {
          this.#letOut(index);
          return undefined;
        }
      }
      this.#pass(text.charAt(index));
    }
    this.#letOut(text.length);
    return undefined;
  }

  /** Notes that a character of text stands before what comes. */
  #pass(character: string): void {
    if (!isSpace(character)) this.#place.start = false;
    if (character === '\n') this.#place.line = true;
    else if (!isSpace(character)) this.#place.line = false;
  }

  #letOut(count: number): void {
    this.#reader.skip(count);
    const raw = this.#reader.take();
    if (raw !== '') this.#out.push({ kind: 'text', text: raw, raw });
  }

  /** What was read becomes text. */
  #text(): void {
    const raw = this.#reader.take();
    for (const character of raw) this.#pass(character);
    if (raw !== '') this.#out.push({ kind: 'text', text: raw, raw });
  }

  #syntax(): void {
    const raw = this.#reader.take();
    if (raw !== '') this.#out.push({ kind: 'syntax', raw });
  }

  #begin(name: string, id: string | undefined): void {
    this.#broken = false;
    this.#current = { id: this.#newId(id), name, told: false };
    if (this.#tools.has(name)) {
      this.#out.push({ kind: 'call-start', id: this.#current.id, name, raw: '' });
    }
  }

  #delta(text: string): void {
    if (!this.#current || !this.#tools.has(this.#current.name)) return;
    this.#current.told = true;
    this.#out.push({ kind: 'call-delta', id: this.#current.id, text, raw: '' });
  }

  #finish(given: unknown): void {
    const current = this.#current;
    if (!current) throw new Error('a call was finished that had not begun');
    const { id, name } = current;
    const tool = this.#tools.get(name);
    const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
    const wrong = !tool
      ? new BrokenCall('unknown-tool', `there is no tool of this name`)
      : !isObject
        ? new BrokenCall('invalid-arguments', 'its arguments are no object')
        : invalid(wrongArguments(tool, given as ToolCall['arguments']));
    if (wrong) {
      this.#problem(wrong);
      return;
    }
    if (!current.told) this.#delta(writeJson(given));
    this.#usedIds.add(id);
    this.#count++;
    const call: ToolCall = { id, name, arguments: given as ToolCall['arguments'] };
    this.#out.push({ kind: 'call', call, raw: this.#reader.take() });
    this.#current = undefined;
  }

  #problem({ reason, message }: BrokenCall): void {
    const { id, name } = this.#current ?? {};
    const raw = this.#reader.take();
    const whose = name === undefined ? 'A tool call' : `The call of the tool "${name}"`;
    const problem: ToolCallProblem = {
      reason,
      message: `${whose} could not be made: ${message}.`,
      name,
      text: raw,
    };
    const begun = name !== undefined && this.#tools.has(name) ? id : undefined;
    this.#out.push({ kind: 'call-problem', problem, id: begun, raw: '' });
    if (raw !== '') this.#out.push({ kind: 'text', text: raw, raw });
    for (const character of raw) this.#pass(character);
    this.#current = undefined;
    this.#broken = true;
  }

  #newId(own: string | undefined): string {
    if (own !== undefined && ownId.test(own) && !this.#usedIds.has(own)) return own;
    for (let number = this.#count; ; number++) {
      const id = `call${String(number).padStart(5, '0')}`;
      if (!this.#usedIds.has(id)) return id;
    }
  }
}

function invalid(what: string | undefined): BrokenCall | undefined {
  return what === undefined ? undefined : new BrokenCall('invalid-arguments', what);
}
