import type { Command, CommandOption } from './command.js';
import { commonOptions } from './command-line.js';

/** Help for all commands, `program` being how it was called. */
export function helpText(program: string, commands: readonly Command[]): string {
  const rows = commands.map(({ name, usage, summary }) => [`${name} ${usage}`.trim(), summary]);
  return `Keeps language models on this device.

  ${program} <command> [options]

${table(rows)}

"${program} <command> --help" tells more of one. The exit status is 0, 1 for a failure or a damaged model, 2 for a
command line that cannot be understood, 130 when stopped by Ctrl-C.`;
}

/** Help for one command. */
export function commandHelp(program: string, command: Command): string {
  const { name, usage, summary, details, options } = command;
  return `${summary}

  ${program} ${`${name} ${usage}`.trim()} [options]
${details === undefined ? '' : `\n${details}\n`}
${table(Object.entries({ ...options, ...commonOptions }).map(optionRow))}`;
}

function optionRow([name, { value, help }]: [string, CommandOption]): string[] {
  return [`--${name}${value === undefined ? '' : ` <${value}>`}`, help];
}

function table(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([first = '']) => first.length));
  return rows.map(([first = '', second]) => `  ${first.padEnd(width)}  ${second}`).join('\n');
}
