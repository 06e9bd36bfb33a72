import type { Token } from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import type { LlamaCppAddon } from '../addon.js';
import type { ResolvedOpenOptions } from '../engine-options.js';
import type { ModelHeader } from '../model-header.js';
import type {
  NativeScoreRequest,
  NativeTextScore,
  NativeTextScorer,
  NativeTextScorerOptions,
  NativeWeight,
} from './native.js';

/** What a scorer is opened with. */
export interface TextScorerOptions {
  readonly use: NativeTextScorerOptions['use'];
  readonly contextTokens: number;
  /** 0: as many as are free. */
  readonly threads: number;
  readonly own: ResolvedOpenOptions;
  readonly signal: AbortSignal | undefined;
}

/** A model of its own to score texts with, on the CPU. One call at a time. */
export class TextScorer {
  readonly #native: NativeTextScorer;
  readonly #signal: AbortSignal | undefined;
  readonly #stopListening: () => void;
  readonly threads: number;
  /** Stands before a text, where the vocabulary has one. */
  readonly bosToken: Token | undefined;

  private constructor(
    native: NativeTextScorer,
    facts: Awaited<ReturnType<NativeTextScorer['load']>>,
    signal: AbortSignal | undefined,
    stopListening: () => void,
  ) {
    this.#native = native;
    this.#signal = signal;
    this.#stopListening = stopListening;
    this.threads = facts.threads;
    this.bosToken = facts.bosToken;
  }

  /**
   * Loads the model of a header.
   *
   * @throws MobillmError as `Engine.open`.
   */
  static async open(
    addon: LlamaCppAddon,
    header: ModelHeader,
    { use, contextTokens, threads, own, signal }: TextScorerOptions,
  ): Promise<TextScorer> {
    signal?.throwIfAborted();
    const native = callNative(
      () =>
        new addon.TextScorer({
          use,
          ...header,
          contextTokens,
          poolTokens: 0,
          sequences: 1,
          batchTokens: own.batchTokens,
          flashAttention: own.flashAttention,
          keyType: own.keyType,
          valueType: own.valueType,
          guesses: false,
          embedTokens: 0,
          devices: [],
          gpuLayers: 0,
          repack: own.repack === 'auto',
          threads,
          affinity: own.affinity,
          calibrate: 'off',
          calibrationFolder: '',
          weights: own.weights,
        }),
    );
    const stopListening = onAbort(signal, () => native.abort());
    try {
      const facts = await native.load();
      signal?.throwIfAborted();
      return new TextScorer(native, facts, signal, stopListening);
    } catch (error) {
      stopListening();
      await native.close();
      if (signal?.aborted) throw signal.reason;
      throw fromNative(error);
    }
  }

  /** Tokens of a text, without any that stand before or behind texts. */
  encode(text: string): Promise<Int32Array> {
    return this.#run(() => this.#native.encode(text));
  }

  /** See {@link NativeTextScorer.score}. */
  score(request: NativeScoreRequest): Promise<NativeTextScore> {
    return this.#run(() => this.#native.score(request));
  }

  /** See {@link NativeTextScorer.weights}. */
  weights(): Promise<readonly NativeWeight[]> {
    return this.#run(() => this.#native.weights());
  }

  /** See {@link NativeTextScorer.substitute}. */
  substitute(
    weights: readonly { readonly name: string; readonly type: string }[],
    weighted: boolean,
  ): Promise<Float64Array> {
    return this.#run(() => this.#native.substitute(weights, weighted));
  }

  /** See {@link NativeTextScorer.restore}. */
  restore(): Promise<void> {
    return this.#run(() => this.#native.restore());
  }

  /** See {@link NativeTextScorer.measure}. */
  measure(prompt: Int32Array, written: number): ReturnType<NativeTextScorer['measure']> {
    return this.#run(() => this.#native.measure(prompt, written));
  }

  /** To be called once, when nothing runs. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#native.close();
  }

  async #run<T>(call: () => Promise<T>): Promise<T> {
    try {
      this.#signal?.throwIfAborted();
      const result = await call();
      this.#signal?.throwIfAborted();
      return result;
    } catch (error) {
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw fromNative(error);
    }
  }
}
