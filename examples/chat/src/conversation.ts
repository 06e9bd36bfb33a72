import { createInterface } from 'node:readline';
import type { GenerationOptions, Session } from '@mobillm/core';
import type { View } from './view.js';

/** What the user can press Ctrl-C at. */
export interface Interruptible {
  /** Stops what runs; `undefined` when nothing does. */
  stop: (() => void) | undefined;
}

const help = '/help  this text\n/reset forget the conversation\n/exit  leave (also Ctrl-D)\n';

/**
 * Sends one message and shows the answer as it comes.
 *
 * @returns whether the answer came to its end; `false` when the user stopped it.
 */
export async function answer(
  session: Session,
  message: string,
  options: GenerationOptions,
  view: View,
  interruptible: Interruptible,
): Promise<boolean> {
  const abort = new AbortController();
  interruptible.stop = () => abort.abort();
  const run = session.send(message, { ...options, signal: abort.signal });
  try {
    for await (const event of run) view.event(event);
    return true;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    view.stopped(run.partial);
    return false;
  } finally {
    interruptible.stop = undefined;
  }
}

/** The two ends of a terminal. */
export interface Terminal {
  /** Keys, as a terminal sends them. */
  readonly input: NodeJS.ReadableStream;
  /** Where the prompt and what is typed are shown. */
  readonly output: NodeJS.WritableStream;
}

/**
 * Talks until the user leaves, beginning with a message that was given before, if there is one. An
 * error of one turn is shown and the next turn can be tried.
 */
export async function converse(
  session: Session,
  first: string | undefined,
  options: GenerationOptions,
  view: View,
  { input, output }: Terminal,
  interruptible: Interruptible,
): Promise<void> {
  const lines = createInterface({ input, output, terminal: true, prompt: '> ' });
  let wantsToLeave = false;
  // In raw mode Ctrl-C is a key that readline reports, not a signal.
  lines.on('SIGINT', () => {
    if (interruptible.stop !== undefined) {
      interruptible.stop();
    } else if (wantsToLeave) {
      lines.close();
    } else {
      wantsToLeave = true;
      output.write('\n(Ctrl-C again, or /exit, leaves)\n');
      lines.prompt();
    }
  });
  const turn = async (message: string): Promise<void> => {
    try {
      await answer(session, message, options, view, interruptible);
    } catch (error) {
      view.error(error);
    }
  };
  // Before the first answer, so that nothing typed ahead is lost.
  const typed = lines[Symbol.asyncIterator]();
  if (first !== undefined) await turn(first);
  lines.prompt();
  for await (const line of typed) {
    wantsToLeave = false;
    const message = line.trim();
    if (message === '/exit') break;
    if (message === '/help') output.write(help);
    else if (message === '/reset') await session.reset();
    else if (message !== '') await turn(message);
    lines.prompt();
  }
  lines.close();
}
