import {
  check,
  type GenerateSpec,
  MobillmError,
  type SequenceDriver,
  type Token,
  type TokenBatch,
} from '@mobillm/core';
import { callNative, fromNative } from '@mobillm/core/native';
import type { NativeGenerateSpec, NativeSequence } from './addon.js';
import { GenerationStream } from './generation-stream.js';
import { toInt32Array } from './tokenizer.js';

/** One sequence of a llama.cpp context. */
export class LlamaCppSequence implements SequenceDriver {
  readonly #native: NativeSequence;
  readonly #onClose: (sequence: LlamaCppSequence) => void;
  #closing: Promise<void> | undefined;

  constructor(native: NativeSequence, onClose: (sequence: LlamaCppSequence) => void) {
    this.#native = native;
    this.#onClose = onClose;
  }

  get tokenCount(): number {
    return this.#native.tokenCount;
  }

  generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncIterable<TokenBatch> {
    return new GenerationStream(
      () => this.#native.generate(toInt32Array(tokens, 'tokens'), toNativeSpec(spec)),
      signal,
    );
  }

  async truncate(tokenCount: number): Promise<number> {
    check.integer({ min: 0, max: this.tokenCount })(tokenCount, 'tokenCount');
    try {
      return await callNative(() => this.#native.truncate(tokenCount));
    } catch (error) {
      throw fromNative(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#native.close();
    } catch (error) {
      const failure = fromNative(error);
      // Its model went first, and took the sequence with it.
      if (!MobillmError.is(failure, 'CLOSED')) throw failure;
    } finally {
      this.#onClose(this);
    }
  }
}

function toNativeSpec(spec: GenerateSpec): NativeGenerateSpec {
  return {
    // The addon counts in 64 bits; Infinity means until the context is full.
    maxTokens: Math.min(spec.maxTokens, Number.MAX_SAFE_INTEGER),
    creditTokens: spec.creditTokens,
    logprobs: spec.logprobs ?? -1,
    endTokens: Int32Array.from(spec.endTokens),
    sampling: spec.sampling,
  };
}
