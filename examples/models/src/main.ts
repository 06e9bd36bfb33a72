import { MobillmError } from '@mobillm/core';
import { createModelStore } from '@mobillm/model-store';
import type { Command } from './command.js';
import { parseCommandLine } from './command-line.js';
import { discover, exportModel } from './commands/apps.js';
import { add, pull } from './commands/take.js';
import { pin, prune, remove, verify, where } from './commands/care.js';
import { list } from './commands/list.js';
import { commandHelp, helpText } from './help.js';
import { progressView, type TextStream } from './progress-view.js';
import { UsageError } from './usage-error.js';
import { parseBytes } from './values.js';

const commands: readonly Command[] = [
  list,
  pull,
  add,
  discover,
  exportModel,
  verify,
  prune,
  where,
  pin,
  remove,
];

/** What the command needs from outside; each has a default. */
export interface ModelsEnvironment {
  /** How the program was called, for its help. */
  readonly program?: string;
  /** Where results go. */
  readonly output?: TextStream;
  /** Where everything else goes. */
  readonly log?: TextStream;
  /** Where Ctrl-C comes from. */
  readonly signals?: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
}

/** The user pressed Ctrl-C, or the system asks to end. */
class Stopped extends Error {
  constructor(readonly status: number) {
    super('stopped');
  }
}

/**
 * Runs a command.
 *
 * @returns exit status: 0 when all went well, 1 when something failed or is damaged, 2 for a command line that
 * cannot be understood, 130 when the user stopped it.
 */
export async function main(
  args: readonly string[],
  environment: ModelsEnvironment = {},
): Promise<number> {
  const { output = process.stdout, log = process.stderr, program = 'models' } = environment;
  const isJson = args.includes('--json');
  const fail = (error: unknown): void => {
    const { code, message, details } = describe(error);
    log.write(`${message}${code === undefined ? '' : ` (${code})`}\n`);
    if (isJson) output.write(`${JSON.stringify({ error: { code, message, details } })}\n`);
  };
  try {
    const [name, ...rest] = args;
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      output.write(`${helpText(program, commands)}\n`);
      return name === undefined ? 2 : 0;
    }
    const command = commands.find((one) => one.name === name);
    if (command === undefined) throw new UsageError(`there is no command "${name}"`);
    return await run(command, rest, environment, fail);
  } catch (error) {
    fail(error);
    if (!(error instanceof UsageError)) return 1;
    log.write(`"${program} --help" shows how it is called.\n`);
    return 2;
  }
}

async function run(
  command: Command,
  rest: readonly string[],
  environment: ModelsEnvironment,
  fail: (error: unknown) => void,
): Promise<number> {
  const { output = process.stdout, log = process.stderr, program = 'models' } = environment;
  const { signals = process } = environment;
  const args = parseCommandLine(command, rest);
  if (args.flag('help')) {
    output.write(`${commandHelp(program, command)}\n`);
    return 0;
  }
  const progress = progressView(log);
  const say = (line: string): void => {
    progress.clear();
    log.write(`${line}\n`);
  };
  const stopping = new AbortController();
  const interrupt = () => stopping.abort(new Stopped(130));
  const terminate = () => stopping.abort(new Stopped(143));
  signals.on('SIGINT', interrupt);
  signals.on('SIGTERM', terminate);
  try {
    const directory = args.text('directory');
    const size = args.text('max-size');
    await using store = createModelStore({
      ...(directory !== undefined && { directory }),
      ...(size !== undefined && { maxBytes: parseBytes('max-size', size) }),
      onProblem: ({ message }) => say(`Note: ${message}`),
      onEvicted: ({ name }) => say(`"${name}" was deleted to make room.`),
    });
    const job = { signal: stopping.signal, onProgress: progress.show.bind(progress) };
    const { json, lines, status = 0 } = await command.run({ store, args, job });
    progress.clear();
    const text = args.flag('json') ? JSON.stringify(json) : lines.join('\n');
    if (text !== '') output.write(`${text}\n`);
    return status;
  } catch (error) {
    progress.clear();
    if (!(error instanceof Stopped)) {
      if (isWrongCall(error)) throw new UsageError(error.message);
      throw error;
    }
    fail(new Error(`Stopped. ${command.stopped ?? 'Nothing was changed by half.'}`));
    return error.status;
  } finally {
    signals.off('SIGINT', interrupt);
    signals.off('SIGTERM', terminate);
  }
}

/** What the store says of a name, a reference or a number that cannot be one. */
function isWrongCall(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === 'INVALID_ARGUMENT';
}

function describe(error: unknown): {
  readonly code?: string;
  readonly message: string;
  readonly details?: unknown;
} {
  if (MobillmError.is(error)) {
    return { code: error.code, message: error.message, details: error.details };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}
