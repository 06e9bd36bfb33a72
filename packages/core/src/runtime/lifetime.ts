import { allOf } from './all-of.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { onAbort } from './on-abort.js';

/** Something under way that `close` aborts and waits for. */
interface Job {
  readonly stop: (reason: unknown) => void;
  readonly done: Promise<void>;
}

/**
 * The open-and-close part of everything that closes: later calls throw `CLOSED`, jobs under way are
 * aborted and waited for, children close first, and a second `close` waits for the first.
 */
export class Lifetime {
  readonly #what: string;
  readonly #jobs = new Set<Job>();
  readonly #children = new Set<{ close(): Promise<void> }>();
  #closing: Promise<void> | undefined;

  /** @param what name of the thing in the sentence «This … is closed.» */
  constructor(what: string) {
    this.#what = what;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Throws `CLOSED` after `close`. */
  requireOpen(): void {
    if (this.closed) throw this.#closedError();
  }

  /** Registers something that has to close before this does; returns a function that forgets it. */
  adopt(child: { close(): Promise<void> }): () => void {
    this.#children.add(child);
    return () => this.#children.delete(child);
  }

  /**
   * Begins a job that `close` stops and waits for.
   *
   * @param signal the caller's own signal, joined to the one returned.
   * @param onStop told when the job has to stop, with the reason, after its signal was aborted. For
   * jobs that wait for their reader, which nobody may be any more.
   */
  begin(
    signal?: AbortSignal,
    onStop?: (reason: unknown) => void,
  ): { readonly signal: AbortSignal; readonly end: () => void } {
    this.requireOpen();
    const abort = new AbortController();
    const stop = (reason: unknown) => {
      if (abort.signal.aborted) return;
      abort.abort(reason);
      onStop?.(reason);
    };
    let settle!: () => void;
    const job: Job = { stop, done: new Promise<void>((resolve) => (settle = resolve)) };
    let stopListening = (): void => undefined;
    if (signal?.aborted) abort.abort(signal.reason);
    else {
      stopListening = onAbort(signal, () => {
        stop(signal?.reason);
      });
    }
    this.#jobs.add(job);
    return {
      signal: abort.signal,
      end: () => {
        stopListening();
        this.#jobs.delete(job);
        settle();
      },
    };
  }

  /** Runs one job from begin to end. */
  async during<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const job = this.begin(signal);
    try {
      job.signal.throwIfAborted();
      return await work(job.signal);
    } finally {
      job.end();
    }
  }

  /** Closes once: aborts jobs, closes children, then frees. */
  close(free: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(free);
    return this.#closing;
  }

  async #close(free: () => Promise<void>): Promise<void> {
    const jobs = [...this.#jobs];
    for (const job of jobs) job.stop(this.#closedError());
    // One child that fails to close must not keep the others, or the weights, in memory.
    try {
      await allOf([...this.#children].map((child) => child.close()));
    } finally {
      await Promise.all(jobs.map((job) => job.done));
      await free();
    }
  }

  #closedError(): MobillmError {
    return new MobillmError('CLOSED', `This ${this.#what} is closed. Open a new one to go on.`, {
      details: { what: this.#what },
    });
  }
}
