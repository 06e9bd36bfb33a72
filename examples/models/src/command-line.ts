import { parseArgs } from 'node:util';
import type { Arguments, Command, CommandOption } from './command.js';
import { UsageError } from './usage-error.js';

/** Options that every command has. */
export const commonOptions: Readonly<Record<string, CommandOption>> = {
  directory: {
    type: 'string',
    value: 'folder',
    help: 'the store; MOBILLM_HOME or the place of the platform by default',
  },
  'max-size': {
    type: 'string',
    value: 'size',
    help: 'most that the store may own (20GB); what was used least lately goes',
  },
  json: { type: 'boolean', help: 'one JSON document on standard output, and nothing else' },
  help: { type: 'boolean', help: 'this text' },
};

/**
 * Reads what follows the name of a command.
 *
 * @throws UsageError
 */
export function parseCommandLine(command: Command, args: readonly string[]): Arguments {
  const { values, positionals } = parse(command, args);
  const { min, max = Infinity } = command.positionals;
  if (values['help'] !== true) {
    if (positionals.length < min) {
      throw new UsageError(`"${command.name}" needs ${command.usage}`);
    }
    if (positionals.length > max) {
      throw new UsageError(`"${positionals[max]}" is one argument too many`);
    }
  }
  const textsOf = (option: string) =>
    [values[option] ?? []].flat().filter((value): value is string => typeof value === 'string');
  return {
    positionals,
    flag: (option) => values[option] === true,
    text: (option) => textsOf(option)[0],
    texts: textsOf,
  };
}

function parse({ options }: Command, args: readonly string[]) {
  const all = Object.entries({ ...options, ...commonOptions });
  const config = Object.fromEntries(
    all.map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  try {
    return parseArgs({
      args: args.map((arg) => (arg === '-h' ? '--help' : arg)),
      allowPositionals: true,
      options: config,
    });
  } catch (error) {
    // Node words these well; its second sentence is about a case that we do not have.
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : '');
  }
}
