import type { TokenBatch } from '../engine/driver.js';

/** Batches on their way to a reader, merged while it does not read. */
export class FakeOutbox {
  #batch: TokenBatch | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #onTaken: (() => void) | undefined;
  stopped = false;

  put(batch: TokenBatch): void {
    const held = this.#batch;
    const logprobs = [...(held?.logprobs ?? []), ...(batch.logprobs ?? [])];
    this.#batch = {
      ...batch,
      tokens: [...(held?.tokens ?? []), ...batch.tokens],
      ...(logprobs.length > 0 ? { logprobs } : {}),
    };
    this.wake();
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  /** Ends with an error, behind what was put before. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  wake(): void {
    this.#wake?.();
    if (this.stopped) this.#onTaken?.();
  }

  /** The next batch; `undefined` when there will be none. */
  async take(): Promise<TokenBatch | undefined> {
    while (!this.#batch && !this.#ended && !this.stopped) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const batch = this.#batch;
    this.#batch = undefined;
    this.#onTaken?.();
    if (!batch && this.#failure) throw this.#failure.error;
    return batch;
  }

  /** Settles when fewer tokens than that wait for the reader. */
  async credit(tokens: number): Promise<void> {
    while (!this.stopped && (this.#batch?.tokens.length ?? 0) >= tokens) {
      await new Promise<void>((resolve) => (this.#onTaken = resolve));
    }
  }
}
