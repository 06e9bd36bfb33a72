import { type DriverEmbedOptions, MobillmError, type Token } from '@mobillm/core';
import { callNative, fromNative, nativeAdapters, onAbort } from '@mobillm/core/native';
import type { NativeEmbedding, NativeModel } from './addon.js';

/** How a job's texts become rows. */
export interface EmbeddingJobOptions extends Omit<DriverEmbedOptions, 'pooling'> {
  /** `rank`: one number a text, by the model's own head. */
  readonly pooling: DriverEmbedOptions['pooling'] | 'rank';
}

/**
 * Computes vectors and scores of texts, a job after another: a long text leaves a cache from step to
 * step, and there is one place for it. Between the steps of a job the model's thread does other things.
 */
export class EmbeddingQueue {
  readonly #model: NativeModel;
  readonly #contextTokens: number;
  /** Settles when the last job has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #running: NativeEmbedding | undefined;
  #closed = false;

  constructor(model: NativeModel, contextTokens: number) {
    this.#model = model;
    this.#contextTokens = contextTokens;
  }

  /** The rows of some texts, in order. */
  async run(
    texts: readonly (readonly Token[])[],
    options: EmbeddingJobOptions,
  ): Promise<Float32Array[]> {
    options.signal?.throwIfAborted();
    this.#requireFit(texts);
    if (texts.length === 0) return [];
    const before = this.#last;
    const job = (async () => {
      await orAbort(before, options.signal);
      // What runs still runs when this one is given up; the next one waits for both.
      return this.#compute(texts, options);
    })();
    this.#last = Promise.allSettled([before, job]);
    return job;
  }

  /** Ends what runs and what waits, with `CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#running?.abort();
    await this.#last;
  }

  async #compute(
    texts: readonly (readonly Token[])[],
    { pooling, signal, onProgress, adapters = [] }: EmbeddingJobOptions,
  ): Promise<Float32Array[]> {
    const { tokens, lengths } = await joined(texts);
    signal?.throwIfAborted();
    if (this.#closed) throw closed();
    const { natives, scales } = nativeAdapters(adapters);
    const native = callNative(() =>
      this.#model.createEmbedding(tokens, lengths, pooling, natives, scales),
    );
    this.#running = native;
    const stopListening = onAbort(signal, () => native.abort());
    try {
      const total = tokens.length;
      for (let done = 0; done < total;) {
        done = await this.#step(native);
        signal?.throwIfAborted();
        onProgress?.(done / total);
        signal?.throwIfAborted();
      }
      const rows = native.rows();
      const results: Float32Array[] = [];
      await inTurns(cut(rows, texts.length), (row) => {
        results.push(row.slice());
        return row.length;
      });
      signal?.throwIfAborted();
      return results;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error;
    } finally {
      this.#running = undefined;
      stopListening();
    }
  }

  async #step(native: NativeEmbedding): Promise<number> {
    try {
      return await native.step();
    } catch (error) {
      throw this.#closed ? closed() : fromNative(error);
    }
  }

  #requireFit(texts: readonly (readonly Token[])[]): void {
    const contextTokens = this.#contextTokens;
    for (const [textIndex, { length }] of texts.entries()) {
      if (length <= contextTokens) continue;
      throw new MobillmError(
        'CONTEXT_FULL',
        `Text ${textIndex} has ${length} tokens and the context holds ${contextTokens}. Split the text, or open the model with more contextTokens.`,
        { details: { textIndex, promptTokens: length, contextTokens } },
      );
    }
  }
}

/** Numbers that are copied before others get the thread: less than a millisecond's work. */
const numbersAtOnce = 65_536;

/** Works on one item after the other, and lets others have the thread now and then. */
async function inTurns<T>(items: Iterable<T>, work: (item: T) => number): Promise<void> {
  let numbers = 0;
  for (const item of items) {
    numbers += work(item);
    if (numbers < numbersAtOnce) continue;
    numbers = 0;
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** All tokens in a row, and how many each text has. */
async function joined(
  texts: readonly (readonly Token[])[],
): Promise<{ readonly tokens: Int32Array; readonly lengths: Int32Array }> {
  const lengths = new Int32Array(texts.length);
  let total = 0;
  for (const [index, { length }] of texts.entries()) {
    lengths[index] = length;
    total += length;
  }
  const tokens = new Int32Array(total);
  let offset = 0;
  await inTurns(texts, (text) => {
    tokens.set(text, offset);
    offset += text.length;
    return text.length;
  });
  return { tokens, lengths };
}

/** The rows of a matrix, without copies. */
function* cut(numbers: Float32Array, rows: number): Generator<Float32Array, void, void> {
  const length = numbers.length / rows;
  for (let row = 0; row < rows; row++) yield numbers.subarray(row * length, (row + 1) * length);
}

/** Waits for a promise, or rejects with the reason of a signal that is aborted before. */
async function orAbort(before: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await before;
    return;
  }
  let stopListening = (): void => undefined;
  try {
    await Promise.race([
      before,
      new Promise<never>((_, reject) => {
        stopListening = onAbort(signal, () => reject(signal.reason as Error));
      }),
    ]);
  } finally {
    stopListening();
  }
}

function closed(): MobillmError {
  return new MobillmError('CLOSED', 'The model was closed. Open it again.');
}
