import type { GenerationEvent, GenerationResult } from './generation-event.js';

/**
 * A generation under way. Iterate it for events, await it for the result, or both; it starts with
 * the first of the two, and one of them has to be done for it to run.
 *
 * Events are pulled: a reader that stops reading parks this generation (not others) once it is some
 * tokens ahead. Leaving the loop ends the generation and frees its place; awaiting it then gives the
 * result so far with `stopReason: 'aborted'`. An aborted signal rejects both with the signal's
 * reason.
 */
export interface GenerationRun
  extends AsyncIterable<GenerationEvent>, PromiseLike<GenerationResult> {
  /** What has come so far; stays readable after an abort or an error. */
  readonly partial: GenerationResult;
  /** Only the answer's text, piece by piece. */
  textStream(): AsyncIterable<string>;
}
