import {
  planModel,
  probeHardware,
  type ByteProgress,
  type Engine,
  type ModelStore,
} from '@mobillm/core';
import { createLlamaCppEngine } from '@mobillm/engine-llamacpp';
import { createModelStore } from '@mobillm/model-store';
import { answer, converse, type Interruptible } from './conversation.js';
import { jsonView } from './json-view.js';
import { helpText, parseOptions, UsageError, type ChatOptions } from './options.js';
import { takeModel, type DefaultModel } from './take-model.js';
import { textView, type TextStream } from './text-view.js';
import type { View } from './view.js';

/** What the chat needs from outside; each has a default, and tests bring their own. */
export interface ChatEnvironment {
  /** How the program was called, for its help. */
  readonly command?: string;
  /** The model to take when none is named. */
  readonly defaultModel?: DefaultModel;
  /** Opens models. */
  readonly createEngine?: () => Promise<Engine>;
  /** Keeps models. */
  readonly createStore?: () => ModelStore | Promise<ModelStore>;
  /** Where messages come from. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Where answers go. */
  readonly output?: TextStream;
  /** Where everything about them goes. */
  readonly log?: TextStream;
  /** Where Ctrl-C outside the chat comes from. */
  readonly signals?: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
}

/**
 * Runs the chat.
 *
 * @returns exit status: 0 when all went well, 1 when something failed, 2 for a command line that
 * cannot be understood, 130 when the user stopped it.
 */
export async function main(
  args: readonly string[],
  environment: ChatEnvironment = {},
): Promise<number> {
  const { output = process.stdout, log = process.stderr, command = 'chat' } = environment;
  const interruptible: Interruptible = { stop: undefined };
  let view: View = textView(output, log);
  const { signals = process } = environment;
  const interrupt = (): void => interruptible.stop?.();
  signals.on('SIGINT', interrupt);
  try {
    const options = parseOptions(args);
    if (options.help) {
      output.write(`${helpText(command)}\n`);
      return 0;
    }
    if (options.output === 'json') view = jsonView(output);
    return await chat(options, environment, view, interruptible);
  } catch (error) {
    if (error instanceof Stopped) return 130;
    view.error(error);
    if (!(error instanceof UsageError)) return 1;
    log.write(`"${command} --help" shows how it is called.\n`);
    return 2;
  } finally {
    signals.off('SIGINT', interrupt);
  }
}

/** The user pressed Ctrl-C before there was an answer to stop. */
class Stopped extends Error {}

async function chat(
  options: ChatOptions,
  environment: ChatEnvironment,
  view: View,
  interruptible: Interruptible,
): Promise<number> {
  const { input = process.stdin, output = process.stdout, defaultModel } = environment;
  const isTerminal = input.isTTY === true && output.isTTY === true && options.output === 'text';
  const prompt = options.prompt ?? (isTerminal ? undefined : await readAll(input));
  if (prompt === '') throw new UsageError('there is no message: give one as an argument');

  const abort = new AbortController();
  interruptible.stop = () => abort.abort(new Stopped());
  const job = {
    signal: abort.signal,
    onProgress: (progress: ByteProgress) => view.bytes(progress),
  };
  await using store = await (environment.createStore ?? createModelStore)();
  const stored = await takeModel(store, options.model, defaultModel, job);
  await using engine = await (environment.createEngine ?? createLlamaCppEngine)();

  const hardware = await probeHardware({ signal: abort.signal });
  const plan = planModel({
    hardware,
    model: stored.description,
    engine,
    contextTokens: options.contextTokens,
    sequences: 1,
  });
  view.plan(hardware, plan);
  if (!plan.fits) return 1;

  await using model = await engine.open(stored.files, {
    contextTokens: plan.contextTokens,
    threads: options.threads,
    sequences: 1,
    signal: abort.signal,
    onProgress: (share) => view.loading(share),
  });
  view.opened(model);
  const system = options.system === undefined ? {} : { system: options.system };
  await using session = await model.createSession(system);
  interruptible.stop = undefined;

  if (isTerminal) {
    const terminal = { input, output };
    await converse(session, prompt, options.generation, view, terminal, interruptible);
    return 0;
  }
  // Without a terminal there is a message; that was made sure of above.
  const isWhole = await answer(session, prompt ?? '', options.generation, view, interruptible);
  return isWhole ? 0 : 130;
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  input.setEncoding('utf8');
  for await (const chunk of input) text += String(chunk);
  return text.trim();
}
