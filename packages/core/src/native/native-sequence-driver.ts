import type {
  DriverAdapterUse,
  ExportKvOptions,
  GenerateSpec,
  SequenceDriver,
  TokenBatch,
} from '../engine/driver.js';
import { integer } from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { AppliedAdapter, KvLayer, KvLineage, KvSnapshot } from '../kv/kv-snapshot.js';
import { requireImportable } from '../kv/require-importable.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import { onAbort } from '../runtime/on-abort.js';
import { callNative, fromNative } from './from-native.js';
import { GenerationStream } from './generation-stream.js';
import { NativeAdapterDriver } from './native-adapter-driver.js';
import type {
  NativeAdapter,
  NativeGenerateSpec,
  NativeKvExport,
  NativeKvShape,
  NativeSequence,
} from './native-sequence.js';
import { tellTokenBytes } from './tell-token-bytes.js';
import { toInt32Array } from './to-int32-array.js';

/** What a {@link NativeSequenceDriver} is told of its model. */
export interface NativeSequenceDriverOptions {
  /** Called once, when the sequence was closed. */
  readonly onClose?: (sequence: NativeSequenceDriver) => void;
  /**
   * What its model's tokens stand for. For engines whose native side does not know that by itself, and
   * that follow grammars.
   */
  readonly tokenizer?: Tokenizer;
  /** For engines that hand caches over; without it `exportKv` and `importKv` are refused. */
  readonly kv?: {
    /** Which weights the model's caches belong to. Asked for at each export and import. */
    readonly lineage: (signal?: AbortSignal) => Promise<KvLineage>;
  };
}

/** One sequence of an engine that builds on the shared native machinery. */
export class NativeSequenceDriver implements SequenceDriver {
  readonly #native: NativeSequence;
  readonly #options: NativeSequenceDriverOptions;
  /** Those whose keys and values are in the cache. */
  #adapters: readonly AppliedAdapter[] = [];
  #closing: Promise<void> | undefined;

  /** Takes the native sequence over: it is closed with this one. */
  constructor(native: NativeSequence, options: NativeSequenceDriverOptions = {}) {
    this.#native = native;
    this.#options = options;
  }

  get tokenCount(): number {
    return this.#native.tokenCount;
  }

  generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncIterable<TokenBatch> {
    const { tokenizer } = this.#options;
    return new GenerationStream(
      () => this.#native.generate(toInt32Array(tokens, 'tokens'), toNativeSpec(spec)),
      signal,
      spec.grammar && tokenizer && (() => tellTokenBytes(this.#native, tokenizer)),
    );
  }

  async truncate(tokenCount: number): Promise<number> {
    integer({ min: 0, max: this.tokenCount })(tokenCount, 'tokenCount');
    try {
      return await callNative(() => this.#native.truncate(tokenCount));
    } catch (error) {
      throw fromNative(error);
    }
  }

  async copyFrom(source: SequenceDriver, tokenCount: number): Promise<boolean> {
    if (!(source instanceof NativeSequenceDriver)) {
      throw wrongValue('source', 'must be a sequence of the same model');
    }
    // It may be cut on its own thread at any time, so there is no upper bound to check here.
    integer({ min: 0 })(tokenCount, 'tokenCount');
    try {
      return await callNative(() => this.#native.copyFrom(source.#native, tokenCount));
    } catch (error) {
      throw fromNative(error);
    }
  }

  async removeTokens(from: number, to: number): Promise<boolean> {
    integer({ min: 0, max: this.tokenCount })(to, 'to');
    integer({ min: 0, max: to })(from, 'from');
    try {
      return await callNative(() => this.#native.removeTokens(from, to));
    } catch (error) {
      throw fromNative(error);
    }
  }

  async setAdapters(adapters: readonly DriverAdapterUse[]): Promise<void> {
    const { natives, scales, applied } = nativeAdapters(adapters);
    try {
      await callNative(() => this.#native.setAdapters(natives, scales));
    } catch (error) {
      throw fromNative(error);
    }
    this.#adapters = applied;
  }

  async exportKv(options: ExportKvOptions = {}): Promise<KvSnapshot> {
    const { fromToken = 0, signal } = options;
    signal?.throwIfAborted();
    const { shape, lineage } = await this.#handOver(signal);
    integer({ min: 0, max: this.tokenCount })(fromToken, 'fromToken');
    const exported = await this.#transfer(signal, () => this.#native.exportKv(fromToken));
    return toSnapshot(fromToken, shape, lineage, exported);
  }

  async importKv(snapshot: KvSnapshot, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { shape, lineage } = await this.#handOver(signal);
    const { contextTokens } = shape;
    const { tokenCount } = this;
    requireImportable(snapshot, { geometry: shape, lineage, tokenCount, contextTokens });
    await this.#transfer(signal, () =>
      this.#native.importKv({
        startPosition: snapshot.startPosition,
        tokens: toInt32Array(snapshot.tokens, 'tokens'),
        dtype: snapshot.dtype,
        pairing: snapshot.rope.pairing,
        // Read once: a getter may make each tensor anew, and only one of them would be kept.
        layers: snapshot.layers.map(({ keys, values }) => ({ keys, values })),
        ...(snapshot.nextLogits && { nextLogits: snapshot.nextLogits }),
      }),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Shape and lineage. The shape first, because the lineage may take seconds; and once more after it: a
   * sequence that was closed meanwhile has no tokens, which is not what is wrong with a call.
   */
  async #handOver(
    signal?: AbortSignal,
  ): Promise<{ readonly shape: NativeKvShape; readonly lineage: KvLineage }> {
    const { kv } = this.#options;
    if (kv === undefined) {
      throw new MobillmError(
        'UNSUPPORTED',
        'This engine cannot hand the cache of a sequence over; its capabilities say so.',
      );
    }
    callNative(() => this.#native.kvShape());
    const weights = await kv.lineage(signal);
    const lineage = this.#adapters.length > 0 ? { ...weights, adapters: this.#adapters } : weights;
    return { shape: callNative(() => this.#native.kvShape()), lineage };
  }

  /** Runs an export or import; an aborted signal ends it with the signal's reason. */
  async #transfer<T>(signal: AbortSignal | undefined, start: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    let stopListening: () => void = () => undefined;
    try {
      const pending = start();
      stopListening = onAbort(signal, () => this.#native.abortTransfer());
      const result = await pending;
      return result;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if ((error as { readonly code?: unknown } | null)?.code === 'ABORTED') {
        throw new MobillmError(
          'CLOSED',
          'The sequence or its model was closed while its cache was handed over. Open it again.',
          { cause: error },
        );
      }
      throw fromNative(error);
    } finally {
      stopListening();
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#native.close();
    } catch (error) {
      const failure = fromNative(error);
      // Its model went first, and took the sequence with it.
      if (!MobillmError.is(failure, 'CLOSED')) throw failure;
    } finally {
      this.#options.onClose?.(this);
    }
  }
}

/**
 * Adapters as an addon takes them, and as a lineage tells them.
 *
 * @throws InvalidArgument for an adapter of another engine.
 */
export function nativeAdapters(uses: readonly DriverAdapterUse[]): {
  readonly natives: readonly NativeAdapter[];
  readonly scales: readonly number[];
  readonly applied: readonly AppliedAdapter[];
} {
  const natives: NativeAdapter[] = [];
  const applied: AppliedAdapter[] = [];
  for (const [index, { adapter, scale }] of uses.entries()) {
    if (!(adapter instanceof NativeAdapterDriver)) {
      throw wrongValue(`adapters[${index}]`, 'must be an adapter of the same model');
    }
    natives.push(adapter.native);
    if (scale !== 0) applied.push({ sha256: adapter.info.sha256, scale: Math.fround(scale) });
  }
  applied.sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  return { natives, scales: uses.map(({ scale }) => scale), applied };
}

function toNativeSpec(spec: GenerateSpec): NativeGenerateSpec {
  return {
    // The addon counts in 64 bits; Infinity means until the context is full.
    maxTokens: Math.min(spec.maxTokens, Number.MAX_SAFE_INTEGER),
    keepLogits: spec.keepLogits,
    creditTokens: spec.creditTokens,
    speculation: spec.speculation,
    logprobs: spec.logprobs ?? -1,
    endTokens: Int32Array.from(spec.endTokens),
    grammar: spec.grammar?.source ?? '',
    grammarTokens: spec.grammar?.answerTokens ?? 0,
    sampling: spec.sampling,
  };
}

function toSnapshot(
  startPosition: number,
  shape: NativeKvShape,
  lineage: KvLineage,
  exported: NativeKvExport,
): KvSnapshot {
  const { data, nextLogits } = exported;
  const { dtype, kvHeads, keyLength, valueLength, rope } = shape;
  const tokens = Array.from(exported.tokens);
  const rowBytes = kvHeads * tokens.length * (dtype === 'f32' ? 4 : 2);
  const layerBytes = rowBytes * (keyLength + valueLength);
  const layers = Array.from({ length: shape.layers }, (_, layer): KvLayer => {
    const start = layer * layerBytes;
    const middle = start + rowBytes * keyLength;
    return {
      keys: data.subarray(start, middle),
      values: data.subarray(middle, start + layerBytes),
    };
  });
  return {
    ...{ version: 1, lineage, startPosition, tokens },
    ...{ dtype, kvHeads, keyLength, valueLength, rope, layers },
    ...(nextLogits && { nextLogits }),
  };
}
