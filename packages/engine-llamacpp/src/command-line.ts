import { parseArgs, type ParseArgsConfig } from 'node:util';

/** A program of this package: how it is called, and what it does then. */
export interface Program<T extends NonNullable<ParseArgsConfig['options']>> {
  readonly name: string;
  /** What `--help` prints. */
  readonly help: string;
  readonly options: T;
  /**
   * Does the work.
   *
   * @param stop aborts at SIGINT and SIGTERM.
   * @returns the status that the program ends with.
   */
  run(call: Call<T>, stop: AbortSignal): Promise<number>;
}

/** What a program was called with. */
export interface Call<T extends NonNullable<ParseArgsConfig['options']>> {
  readonly values: ReturnType<
    typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>
  >['values'];
  readonly positionals: readonly string[];
}

/**
 * Runs a program with the arguments of this process, and sets its status: 2 for a wrong call, 1 for another
 * failure, each with a line that says what it was.
 */
export async function runProgram<T extends NonNullable<ParseArgsConfig['options']>>(
  program: Program<T>,
): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  try {
    const { help, options } = program;
    // Whoever asks for help gets it, whatever else is wrong.
    if (process.argv.slice(2).includes('--help')) {
      process.stdout.write(help);
      return;
    }
    const call = parseArgs({ options, allowPositionals: true, strict: true });
    process.exitCode = await program.run(call, stop.signal);
  } catch (error) {
    const { message, code } = error as { readonly message?: string; readonly code?: unknown };
    process.stderr.write(`${program.name}: ${message ?? String(error)}\n`);
    const isWrongCall = code === 'INVALID_ARGUMENT' || String(code).startsWith('ERR_PARSE_ARGS');
    process.exitCode = isWrongCall ? 2 : 1;
  }
}

/** The error for a call that makes no sense. */
export function wrongCall(message: string): Error {
  return Object.assign(new Error(message), { code: 'INVALID_ARGUMENT' });
}

/**
 * The number that an option has; `undefined` where it is not given.
 *
 * @throws what {@link wrongCall} makes, for what is no number.
 */
export function numberOf(value: string | undefined, option: string): number | undefined {
  if (value === undefined) return undefined;
  const read = Number(value);
  if (value.trim() !== '' && !Number.isNaN(read)) return read;
  throw wrongCall(`--${option} must be a number, but it is "${value}"`);
}
