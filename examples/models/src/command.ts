import type { ByteProgress } from '@mobillm/core';
import type { DeviceModelStore } from '@mobillm/model-store';

/** An option of a command, as `parseArgs` of Node takes it. */
export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  /** How its value is called in the help. */
  readonly value?: string;
  /** What it does, in a few words. */
  readonly help: string;
}

/** What a command line held. */
export interface Arguments {
  readonly positionals: readonly string[];
  readonly flag: (option: string) => boolean;
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
}

/** What a command is given. */
export interface CommandContext {
  readonly store: DeviceModelStore;
  readonly args: Arguments;
  readonly job: {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: ByteProgress) => void;
  };
}

/** What a command came to. */
export interface CommandResult {
  /** What `--json` writes. */
  readonly json: unknown;
  /** Lines for a reader. */
  readonly lines: readonly string[];
  /** Exit status; 0 by default. */
  readonly status?: number;
}

/** One of the commands. */
export interface Command {
  readonly name: string;
  /** What follows the name: `<reference>`. */
  readonly usage: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What more there is to say. */
  readonly details?: string;
  /** Arguments that it takes; the most is without limit by default. */
  readonly positionals: { readonly min: number; readonly max?: number };
  readonly options: Readonly<Record<string, CommandOption>>;
  /** What is said when Ctrl-C has ended it. */
  readonly stopped?: string;
  run(context: CommandContext): Promise<CommandResult>;
}
