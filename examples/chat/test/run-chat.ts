import { PassThrough, Writable } from 'node:stream';
import { createFakeEngine, type FakeEngineOptions } from '@mobillm/core/testing';
import { createModelStore } from '@mobillm/model-store';
import { main, type ChatEnvironment } from '../src/main.js';

/** What a run of the chat came to. */
export interface ChatOutcome {
  readonly status: number;
  readonly output: string;
  readonly log: string;
}

/** A stream that keeps what is written and tells a listener of all so far. */
function recorder(isTTY: boolean, onWrite: (all: string) => void = () => undefined) {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      onWrite(text);
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY }), text: () => text };
}

/** Runs the chat in this process on a fake engine and a store in `folder`. */
export async function runChat(
  args: readonly string[],
  options: {
    readonly folder: string;
    readonly engine?: FakeEngineOptions;
    /** Standard input as a file or pipe gives it; a terminal when left out. */
    readonly piped?: string;
    /** Called with the terminal's keyboard whenever something was shown. */
    readonly onOutput?: (all: string, type: (keys: string) => void) => void;
    readonly environment?: Partial<ChatEnvironment>;
  },
): Promise<ChatOutcome> {
  const isTTY = options.piped === undefined;
  const input = Object.assign(new PassThrough(), { isTTY });
  if (options.piped !== undefined) input.end(options.piped);
  const output = recorder(isTTY, (all) => options.onOutput?.(all, (keys) => input.write(keys)));
  const log = recorder(false);
  const status = await main(args, {
    createEngine: () => Promise.resolve(createFakeEngine(options.engine)),
    createStore: () => createModelStore({ directory: options.folder }),
    input,
    output: output.stream,
    log: log.stream,
    ...options.environment,
  });
  return { status, output: output.text(), log: log.text() };
}
