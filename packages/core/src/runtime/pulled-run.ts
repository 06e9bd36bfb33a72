import { MobillmError } from '../errors/mobillm-error.js';

/** What a run is made of. */
export interface RunSource<Event, Result> {
  /** Starts the generation; called once at most, at the first pull. */
  readonly start: () => AsyncGenerator<Event, void, void>;
  /** The result as it stands. */
  readonly snapshot: () => Result;
  /** Told when the reader has left, even before the first pull. */
  readonly onLeave: () => void;
}

/** Something that runs while somebody pulls: a loop over its events, or an `await`. */
export class PulledRun<Event, Result> implements AsyncIterable<Event>, PromiseLike<Result> {
  readonly #source: RunSource<Event, Result>;
  readonly #done: Promise<Result>;
  #resolve!: (result: Result) => void;
  #reject!: (reason: unknown) => void;
  /** Set at the first pull. */
  #events: AsyncGenerator<Event, void, void> | undefined;
  #hasReader = false;
  #drained = false;
  #ended = false;
  #stopped: { readonly reason: unknown } | undefined;

  constructor(source: RunSource<Event, Result>) {
    this.#source = source;
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever iterates gets the error from the loop; that it is not awaited as well is no mistake.
    this.#done.catch(() => undefined);
  }

  get partial(): Result {
    return this.#source.snapshot();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event, void, void> {
    if (this.#hasReader || this.#drained) throw alreadyRead();
    this.#hasReader = true;
    const iterator: AsyncIterableIterator<Event, void, void> = {
      next: () => (this.#drained ? Promise.reject(alreadyRead()) : this.#next()),
      return: async () => {
        if (!this.#drained) await this.#leave();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  // A run is PromiseLike by contract: `await run` gives its result.
  then<A = Result, B = never>(
    onFulfilled?: ((result: Result) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // A loop may begin in this same turn; only if nobody has pulled by then, the run is drained here.
    queueMicrotask(() => void this.#drainUnlessPulled());
    return this.#done.then(onFulfilled, onRejected);
  }

  /**
   * Ends the run from outside, even while its reader does not read: what it holds is freed at once,
   * and the reader's next pull rejects with the reason. Whoever awaits is told once all is freed.
   */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    void this.#settle(() => {
      this.#reject(reason);
    });
  }

  async #drainUnlessPulled(): Promise<void> {
    if (this.#events !== undefined || this.#ended) return;
    this.#drained = true;
    try {
      while (!(await this.#next()).done);
    } catch {
      // #next has handed the error to those who await.
    }
  }

  async #next(): Promise<IteratorResult<Event, void>> {
    if (this.#ended) return { done: true, value: undefined };
    const events = (this.#events ??= this.#source.start());
    try {
      const step = await events.next();
      if (this.#stopped) throw this.#stopped.reason;
      if (step.done) {
        this.#ended = true;
        this.#resolve(this.partial);
      }
      return step;
    } catch (error) {
      this.#ended = true;
      const reason = this.#stopped ? this.#stopped.reason : error;
      await this.#settle(() => {
        this.#reject(reason);
      });
      throw reason;
    }
  }

  /** The reader does not want any more: there is no error, and the result is what has come so far. */
  async #leave(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#settle(() => {
      this.#source.onLeave();
      if (this.#stopped) this.#reject(this.#stopped.reason);
      else this.#resolve(this.partial);
    });
  }

  /** Lets the generation free what it holds, and tells the outcome only then. */
  async #settle(tell: () => void): Promise<void> {
    try {
      await this.#events?.return();
    } catch (error) {
      this.#reject(error);
    }
    tell();
  }
}

function alreadyRead(): MobillmError {
  return new MobillmError(
    'BUSY',
    'The events of this run are being read already. Read them in one loop, and await the run for its result.',
  );
}
