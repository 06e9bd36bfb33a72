import type { TokenBatch } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { onAbort } from '../runtime/on-abort.js';
import { fromNative } from './from-native.js';
import type { NativeBatch, NativeGeneration } from './native-sequence.js';

/**
 * A native generation as an iteration. Not an async generator: the `return` of one would wait for a
 * pull that is under way, and that can be a prefill step of a second.
 */
export class GenerationStream implements AsyncIterableIterator<TokenBatch> {
  readonly #start: () => NativeGeneration;
  readonly #signal: AbortSignal | undefined;
  readonly #prepare: (() => Promise<void>) | undefined;
  #generation: NativeGeneration | undefined;
  #pull: Promise<NativeBatch> | undefined;
  #stopListening: () => void = () => undefined;
  #ended = false;
  /** The reader has left: what still comes is for nobody. */
  #left = false;

  /** `start` is called at the first pull; `prepare`, where there is something to prepare, before it. */
  constructor(
    start: () => NativeGeneration,
    signal: AbortSignal | undefined,
    prepare?: () => Promise<void>,
  ) {
    this.#start = start;
    this.#signal = signal;
    this.#prepare = prepare;
  }

  /** Itself: it can be iterated once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * What came since the last pull. Rejects with the signal's reason after an abort.
   *
   * @throws MobillmError `CLOSED` when the sequence or its model was closed meanwhile; what the engine
   * itself throws.
   */
  async next(): Promise<IteratorResult<TokenBatch>> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      if (this.#generation === undefined && this.#prepare) {
        this.#signal?.throwIfAborted();
        await this.#prepare();
        // Meanwhile the reader may have left, of which the compiler knows nothing.
        // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
        if (this.#ended) return { done: true, value: undefined };
      }
      const generation = this.#begin();
      // Aborted between two pulls: what came meanwhile is dropped, and the rejection waits until no
      // step runs any more.
      if (this.#signal?.aborted) await this.#drain();
      this.#signal?.throwIfAborted();
      this.#pull = generation.next();
      const { finish, ...batch } = await this.#pull;
      this.#pull = undefined;
      if (finish === undefined) return { done: false, value: batch };
      this.#end();
      this.#signal?.throwIfAborted();
      if (this.#left) return { done: true, value: undefined };
      if (finish === 'aborted') {
        throw new MobillmError(
          'CLOSED',
          'The sequence or its model was closed while it generated. Open it again.',
        );
      }
      return { done: false, value: { ...batch, finish } };
    } catch (error) {
      this.#end();
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw fromNative(error);
    }
  }

  /** Stops the generation; settles when no step of it runs any more. */
  async return(): Promise<IteratorResult<TokenBatch>> {
    if (!this.#ended) {
      this.#ended = true;
      this.#left = true;
      this.#generation?.abort();
      // Settles when no step runs any more, so that the caller finds the sequence idle.
      await this.#drain();
      this.#end();
    }
    return { done: true, value: undefined };
  }

  #begin(): NativeGeneration {
    if (this.#generation === undefined) {
      this.#signal?.throwIfAborted();
      const generation = this.#start();
      this.#generation = generation;
      this.#stopListening = onAbort(this.#signal, () => generation.abort());
    }
    return this.#generation;
  }

  async #drain(): Promise<void> {
    const generation = this.#generation;
    if (generation === undefined) return;
    try {
      let batch: NativeBatch;
      do {
        batch = await (this.#pull ?? generation.next());
        this.#pull = undefined;
      } while (batch.finish === undefined);
    } catch {
      // It ended by an error, which the reader who left does not want any more.
    }
  }

  #end(): void {
    this.#ended = true;
    this.#pull = undefined;
    this.#stopListening();
  }
}
