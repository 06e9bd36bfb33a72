import type { GenerationEvent, GenerationResult } from './generation-event.js';

/** An event of one of several answers to a prompt. */
export type SampleEvent = GenerationEvent & {
  /** Which answer it belongs to, from 0. */
  readonly sample: number;
};

/** What several answers to one prompt came to; also readable while they run, as `partial`. */
export interface SamplesResult {
  /** The answers in order. Each has a seed of its own, and `generate` with that seed repeats it. */
  readonly samples: readonly GenerationResult[];
}

/**
 * Several answers to one prompt under way. Iterate it for the events of all of them as they come, await
 * it for the results, or both, as with a `GenerationRun`.
 *
 * Leaving the loop ends all of them; awaiting it then gives what has come so far. An aborted signal, and
 * a failure of one of them, ends them all and rejects.
 */
export interface SamplesRun extends AsyncIterable<SampleEvent>, PromiseLike<SamplesResult> {
  /** What has come so far; stays readable after an abort or an error. */
  readonly partial: SamplesResult;
}
