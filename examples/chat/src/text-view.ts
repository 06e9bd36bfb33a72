import { formatPlan } from '@mobillm/core';
import type { GenerationEvent, GenerationResult } from '@mobillm/core';
import { describeError, type View } from './view.js';

/** A stream that may be a terminal. */
export type TextStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Jobs shorter than this show no progress. */
const patienceMs = 1000;

/** Writes answers to `out` and everything about them to `log`. */
export function textView(out: TextStream, log: TextStream): View {
  const dim = (text: string): string => (log.isTTY === true ? `\x1b[2m${text}\x1b[22m` : text);
  const progress = progressLine(log);
  let thinking = false;

  const say = (line: string): void => {
    progress.clear();
    log.write(`${dim(line)}\n`);
  };

  return {
    plan: (_hardware, plan) => {
      for (const line of formatPlan(plan)) say(line);
    },
    bytes: ({ phase, doneBytes, totalBytes }) =>
      progress.show(phase, totalBytes === undefined ? undefined : doneBytes / totalBytes),
    loading: (share) => progress.show('loading', share),
    opened: ({ info, contextTokens, placement }) => {
      progress.clear();
      say(
        `${info.name ?? info.architecture}: ${contextTokens} tokens of context, ${placement.threads} ${placement.threads === 1 ? 'thread' : 'threads'}, ${placement.library}`,
      );
    },
    event: (event: GenerationEvent) => {
      switch (event.type) {
        case 'prefill':
          progress.show('reading', event.doneTokens / event.totalTokens);
          break;
        case 'reasoning':
          progress.clear();
          thinking = true;
          log.write(dim(event.text));
          break;
        case 'text':
          progress.clear();
          if (thinking) log.write('\n');
          thinking = false;
          out.write(event.text);
          break;
        case 'finish':
          progress.clear();
          out.write('\n');
          say(summary(event.result));
          break;
        // This application gives no tools and asks for no log-probabilities.
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'tool-call':
        case 'tool-call-problem':
        case 'logprobs':
          break;
      }
    },
    stopped: (partial) => {
      progress.clear();
      out.write('\n');
      say(`stopped after ${partial.usage.completionTokens} tokens`);
    },
    error: (error) => {
      progress.clear();
      const { code, message } = describeError(error);
      log.write(`${message}${code === undefined ? '' : ` (${code})`}\n`);
    },
  };
}

function summary({ usage, timings, stopReason, seed }: GenerationResult): string {
  const facts = [`${usage.completionTokens} tokens`];
  if (timings.decodeTokensPerSecond !== undefined) {
    facts.push(`${timings.decodeTokensPerSecond.toFixed(1)} tokens/s`);
  }
  if (timings.timeToFirstTokenMs !== undefined) {
    facts.push(`first after ${(timings.timeToFirstTokenMs / 1000).toFixed(2)} s`);
  }
  facts.push(`seed ${seed}`);
  if (stopReason === 'max-tokens') facts.push('cut at --max-tokens');
  if (stopReason === 'context-full') facts.push('context is full: /reset starts over');
  return facts.join(', ');
}

/** Shows a share in place on a terminal, once a job has taken longer than people wait. */
function progressLine(log: TextStream) {
  let title = '';
  let startedAt = 0;
  let shown = '';
  const clear = (): void => {
    if (shown !== '' && log.isTTY === true) log.write('\r\x1b[K');
    title = '';
    shown = '';
  };
  return {
    clear,
    show(job: string, share: number | undefined): void {
      if (job !== title) {
        clear();
        title = job;
        startedAt = performance.now();
      }
      if (performance.now() - startedAt < patienceMs) return;
      // A log file gets a line a tenth, a terminal one line that changes.
      const percent =
        share === undefined ? '' : ` ${Math.floor(share * (log.isTTY === true ? 100 : 10))}`;
      const line = `${job}${percent === '' ? ' …' : log.isTTY === true ? `${percent} %` : `${percent}0 %`}`;
      if (line === shown) return;
      shown = line;
      log.write(log.isTTY === true ? `\r\x1b[K${line}` : `${line}\n`);
    },
  };
}
