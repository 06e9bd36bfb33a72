import type { GenerationEvent } from '../stream/generation-event.js';
import type { SampleEvent, SamplesResult, SamplesRun } from '../stream/samples-run.js';
import { allOf } from './all-of.js';
import type { Lifetime } from './lifetime.js';
import { PulledRun } from './pulled-run.js';
import type { RunHandle } from './run-handle.js';

/** What {@link startSamples} joins. */
export interface SamplesPlan {
  /** Makes the runs, one an answer, which the signal ends. */
  readonly makeRuns: (signal: AbortSignal) => readonly RunHandle[];
  /** Whose `close` ends them. */
  readonly lifetime: Lifetime;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
}

/** Joins runs of one prompt into one, which starts when it is first pulled. */
export function startSamples({ makeRuns, lifetime, signal }: SamplesPlan): SamplesRun {
  const end = new AbortController();
  const runs = makeRuns(end.signal);
  const readers = runs.map((run) => run[Symbol.asyncIterator]());
  const samples = new PulledRun<SampleEvent, SamplesResult>({
    snapshot: () => ({ samples: runs.map((run) => run.partial) }),
    onLeave: () => {
      // Also those that nobody has pulled.
      for (const reader of readers) void reader.return?.();
    },
    async *start() {
      const job = lifetime.begin(signal, (reason) => {
        end.abort(reason);
        samples.stop(reason);
      });
      try {
        job.signal.throwIfAborted();
        yield* merge(readers);
      } finally {
        // One that waits for a step, or for a place, is not waited for.
        end.abort();
        await allOf(readers.map(async (reader) => reader.return?.()));
        job.end();
      }
    },
  });
  return samples;
}

async function* merge(
  readers: readonly AsyncIterator<GenerationEvent, void>[],
): AsyncGenerator<SampleEvent, void, void> {
  const next = async (sample: number) => ({ sample, step: await readers[sample]?.next() });
  // The first computes the prompt alone: the others find it in its cache.
  for (;;) {
    const { sample, step } = await next(0);
    if (!step || step.done) break;
    yield { ...step.value, sample };
    if (step.value.type !== 'prefill') break;
  }
  const pending = new Map<number, ReturnType<typeof next>>();
  const pull = (sample: number) => {
    // Behind the others: one that always has something must not hide them.
    pending.delete(sample);
    const pulled = next(sample);
    // Whoever leaves does not hear of those that are under way.
    pulled.catch(() => undefined);
    pending.set(sample, pulled);
  };
  for (const sample of readers.keys()) pull(sample);
  while (pending.size > 0) {
    const { sample, step } = await Promise.race(pending.values());
    pending.delete(sample);
    if (!step || step.done) continue;
    pull(sample);
    yield { ...step.value, sample };
  }
}
