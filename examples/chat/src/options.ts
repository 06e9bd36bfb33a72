import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface ChatOptions {
  /** First message; `undefined` when none was given. */
  readonly prompt: string | undefined;
  /** Name of a model in the store, or path of a GGUF file. */
  readonly model: string | undefined;
  /** System message. */
  readonly system: string | undefined;
  /** Context in tokens, or as much as fits. */
  readonly contextTokens: number | 'auto';
  /** Threads to decode with, or as many as are free. */
  readonly threads: number | 'auto';
  /** Settings of every answer. */
  readonly generation: {
    readonly maxTokens: number;
    readonly seed?: number;
    readonly temperature?: number;
  };
  /** `text` for people, `json` for programs: one event a line. */
  readonly output: 'text' | 'json';
  /** Whether only the help is wanted. */
  readonly help: boolean;
}

/** A command line that cannot be understood; the message says which part and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Tokens of one answer unless asked otherwise: small models do not always find an end. */
const defaultMaxTokens = 1024;

/** Help for the command line, `command` being how the program was called. */
export function helpText(command: string): string {
  return `Talk to a language model on this machine.

  ${command} [options] "your message"

Answers the message and, in a terminal, goes on as a chat. Without a message, and without a terminal,
the message is read from standard input.

  --model <name|path>   a model of the store, or a GGUF file
  --system <text>       system message
  --context <tokens>    context; as much as fits, by default
  --threads <count>     threads; as many as are free, by default
  --max-tokens <count>  longest answer (default ${defaultMaxTokens})
  --seed <number>       repeats an answer
  --temperature <t>     0 takes the most probable token always (default 0.8)
  --json                events as JSON, one a line
  --help                this text

In the chat: /help, /reset, /exit. Ctrl-C stops an answer; pressed twice, or Ctrl-D, it leaves.`;
}

/**
 * Reads the command line.
 *
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): ChatOptions {
  const { values, positionals } = parse(args);
  const prompt = positionals.join(' ').trim();
  const seed = optionalNumber('seed', values.seed, 0, 0xffffffff, 'integer');
  const temperature = optionalNumber('temperature', values.temperature, 0, 100, 'number');
  return {
    prompt: prompt === '' ? undefined : prompt,
    model: values.model,
    system: values.system,
    contextTokens: optionalNumber('context', values.context, 1, 2 ** 31, 'integer') ?? 'auto',
    threads: optionalNumber('threads', values.threads, 1, 1024, 'integer') ?? 'auto',
    generation: {
      maxTokens:
        optionalNumber('max-tokens', values['max-tokens'], 1, 2 ** 31, 'integer') ??
        defaultMaxTokens,
      ...(seed !== undefined && { seed }),
      ...(temperature !== undefined && { temperature }),
    },
    output: values.json === true ? 'json' : 'text',
    help: values.help === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        model: { type: 'string' },
        system: { type: 'string' },
        context: { type: 'string' },
        threads: { type: 'string' },
        'max-tokens': { type: 'string' },
        seed: { type: 'string' },
        temperature: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    // Node words these well; its second sentence is about a case that we do not have.
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : '');
  }
}

function optionalNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
  kind: 'integer' | 'number',
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? NaN : Number(text);
  const isKind = kind === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (!isKind || value < min || value > max) {
    const article = kind === 'integer' ? 'an' : 'a';
    throw new UsageError(
      `--${name} must be ${article} ${kind} from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
}
