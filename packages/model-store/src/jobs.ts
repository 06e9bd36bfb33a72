import { MobillmError } from '@mobillm/core';

/** The calls of a store that are under way, so that closing can end them. */
export class Jobs {
  private readonly closing = new AbortController();
  /** Each with what stops it: a signal that all of them listen to would warn of a leak. */
  private readonly running = new Map<Promise<unknown>, () => void>();

  /**
   * Runs a call. Its signal aborts when the caller's does or when the store closes.
   *
   * @throws MobillmError `CLOSED` after `close`, and for a call that closing ended; the caller's
   * reason when it aborted.
   */
  async run<T>(
    caller: AbortSignal | undefined,
    job: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.closing.signal.throwIfAborted();
    caller?.throwIfAborted();
    const both = new AbortController();
    const stop = () => both.abort(caller?.aborted ? caller.reason : this.closing.signal.reason);
    caller?.addEventListener('abort', stop, { once: true });
    const promise = job(both.signal);
    this.running.set(promise, stop);
    try {
      return await promise;
    } finally {
      this.running.delete(promise);
      caller?.removeEventListener('abort', stop);
    }
  }

  /** Ends all calls and waits for them; may be called twice. */
  async close(): Promise<void> {
    this.closing.abort(
      new MobillmError('CLOSED', 'The model store was closed. Create another one to go on.'),
    );
    const running = [...this.running];
    for (const [, stop] of running) stop();
    await Promise.allSettled(running.map(([promise]) => promise));
  }
}
