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
  };
  /** Writes calls as the model would, for templates that do not; `json` holds the arguments. */
  readonly write: (calls: readonly { readonly name: string; readonly json: string }[]) => string;
}

/** The families. */
export type CallFormatName =
  'hermes' | 'llama' | 'mistral' | 'gemma' | 'deepseek' | 'phi' | 'functionary' | 'generic';
