import type { CallReader, Reading } from './call-reader.js';
import type { ToolDefinition } from './tool-definition.js';

/** What the reading of a call works with. */
export interface CallContext {
  /** The text. */
  readonly reader: CallReader;
  /** The tools that were given, by name. */
  readonly tools: ReadonlyMap<string, ToolDefinition>;
  /** Says that a call of this name begins, and its id where the model wrote one. */
  begin(name: string, id?: string): void;
  /** Tells more of the JSON of the arguments, after `begin`. */
  delta(text: string): void;
  /**
   * Ends the call that was begun. One that cannot be made becomes text there and then; others after it
   * are read all the same.
   */
  finish(given: unknown): void;
}

/** How a call may begin. */
export interface CallOpening {
  /** What it begins with; never empty. */
  readonly mark: string;
  /**
   * `start`: only white space goes before it, in the answer or since the last call. `line`: only blanks
   * go before it in its line.
   */
  readonly where: 'anywhere' | 'start' | 'line';
  /** Whether the mark itself is a part of the value to be read, such as a bracket. Default `false`. */
  readonly keepsMark?: boolean;
  /**
   * Reads what follows, with the context's methods told of each call.
   *
   * @throws BrokenCall, NotACall.
   */
  readonly read: (context: CallContext) => Reading<void>;
}

/** How one family of models writes its calls. */
export interface CallFormat {
  /** Name of the family. */
  readonly name: CallFormatName;
  /** Marks that a vocabulary may hold as special tokens, which otherwise decode to nothing. */
  readonly marks: readonly string[];
  /** How calls begin; of two at one place, the first. */
  readonly openings: readonly CallOpening[];
  /** Reads what stands before any mark where the prompt ended so that a call may go on. */
  readonly continues?: {
    /** What the prompt then ends with. */
    readonly promptEnd: string;
    readonly read: CallOpening['read'];
    /** How calls are written there. */
    readonly form: CallForm;
  };
  /** How calls are written: for templates that write none, and where the model is made to call. */
  readonly form: CallForm;
}

/** One of the ways in which a family writes calls, as the texts around names and arguments in JSON. */
export interface CallForm {
  /**
   * What begins an answer that is all calls. Where the model is made to call it goes into the prompt: a
   * grammar can ask for no special token, and marks often are.
   */
  readonly open: string;
  /** Before the name of a tool, between that and the arguments, and behind them. */
  readonly call: readonly [before: string, between: string, after: string];
  /** Between two calls. */
  readonly separator: string;
  /** What stands around all calls besides; empty by default. */
  readonly list?: readonly [before: string, after: string];
  /** What closes the answer. The reading of calls does without it. */
  readonly close: string;
}

/** How a call goes on where a prompt has begun it; nothing where it has not. */
export function continuation(
  { continues }: CallFormat,
  promptText: string,
): CallFormat['continues'] {
  return continues && promptText.trimEnd().endsWith(continues.promptEnd) ? continues : undefined;
}

/** The families. */
export type CallFormatName =
  'hermes' | 'llama' | 'mistral' | 'gemma' | 'deepseek' | 'phi' | 'functionary' | 'generic';
