import { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationEvent, GenerationResult } from '../stream/generation-event.js';
import type { GenerationRun } from '../stream/generation-run.js';

/** What a run is made of. */
export interface RunSource {
  /** Starts the generation; called once, at the first pull. */
  readonly start: () => AsyncGenerator<GenerationEvent, void, void>;
  /** The result as it stands. */
  readonly snapshot: () => GenerationResult;
}

/** A generation that runs while somebody pulls: a loop over its events, or an `await`. */
export class RunHandle implements GenerationRun {
  readonly #source: RunSource;
  readonly #done: Promise<GenerationResult>;
  #resolve!: (result: GenerationResult) => void;
  #reject!: (reason: unknown) => void;
  #started = false;
  #events: AsyncGenerator<GenerationEvent, void, void> | undefined;
  #stopped: { readonly reason: unknown } | undefined;

  constructor(source: RunSource) {
    this.#source = source;
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever iterates gets the error from the loop; that it is not awaited as well is no mistake.
    this.#done.catch(() => undefined);
  }

  get partial(): GenerationResult {
    return this.#source.snapshot();
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationEvent, void, void> {
    if (this.#started) {
      throw new MobillmError(
        'BUSY',
        'The events of this run are being read already. Read them in one loop, and await the run for its result.',
      );
    }
    this.#started = true;
    return this.#pull();
  }

  async *textStream(): AsyncGenerator<string, void, void> {
    for await (const event of this) if (event.type === 'text') yield event.text;
  }

  // A run is PromiseLike by contract: `await run` gives its result.
  then<A = GenerationResult, B = never>(
    onFulfilled?: ((result: GenerationResult) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // A loop may begin in this same turn; only if none has, the run is drained here.
    queueMicrotask(() => void this.#drainUnlessRead());
    return this.#done.then(onFulfilled, onRejected);
  }

  async #drainUnlessRead(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const events = this.#pull();
    try {
      while (!(await events.next()).done);
    } catch {
      // #pull has handed the error to those who await.
    }
  }

  /**
   * Ends the run from outside, even while its reader does not read: what it holds is freed at once,
   * and the reader's next pull rejects with the reason.
   */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#reject(reason);
    // What fails while stopping has nobody left to tell: the run has its reason already.
    this.#events?.return().catch(() => undefined);
  }

  async *#pull(): AsyncGenerator<GenerationEvent, void, void> {
    const events = (this.#events = this.#source.start());
    try {
      for (;;) {
        const step = await events.next();
        if (this.#stopped) throw this.#stopped.reason;
        if (step.done) return;
        yield step.value;
      }
    } catch (error) {
      const reason = this.#stopped ? this.#stopped.reason : error;
      this.#reject(reason);
      throw reason;
    } finally {
      await events.return();
      // After a break there was no error: whoever awaits gets what has come so far.
      this.#resolve(this.partial);
    }
  }
}
