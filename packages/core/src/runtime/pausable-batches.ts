import type { TokenBatch } from '../engine/driver.js';

/** A driver's generation that can be stopped from outside while its reader does not ask for more. */
export class PausableBatches {
  readonly #batches: AsyncIterator<TokenBatch>;
  /** When the reader was given the last batch, unless it has asked for another one. */
  #unreadSince: number | undefined;
  #stopping: Promise<void> | undefined;

  constructor(batches: AsyncIterable<TokenBatch>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** When the reader last took something, in milliseconds; `undefined` while it waits for more. */
  get unreadSince(): number | undefined {
    return this.#stopping ? undefined : this.#unreadSince;
  }

  /** The driver's batches. Where it was stopped the last one says `context-full`. */
  async *read(): AsyncGenerator<TokenBatch, void, void> {
    try {
      for (;;) {
        const step = await this.#batches.next();
        if (step.done) return;
        this.#unreadSince = performance.now();
        yield step.value;
        this.#unreadSince = undefined;
        if (!this.#stopping) continue;
        await this.#stopping;
        const { prefilledTokens, prefillMs, decodeMs } = step.value;
        yield { tokens: [], prefilledTokens, prefillMs, decodeMs, finish: 'context-full' };
        return;
      }
    } finally {
      this.#unreadSince = undefined;
      await this.#stopping;
      await this.#batches.return?.();
    }
  }

  /** Stops the driver; what its reader has not seen is lost. Called while nobody asks for more alone. */
  stop(): Promise<void> {
    return (this.#stopping ??= Promise.resolve(this.#batches.return?.()).then(() => undefined));
  }
}
