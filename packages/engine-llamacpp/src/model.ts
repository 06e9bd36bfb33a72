import {
  type AdapterDriver,
  check,
  type DriverAdapterOptions,
  type DriverEmbedOptions,
  type DriverRerankOptions,
  type KvLineage,
  type MemoryEstimate,
  MobillmError,
  type ModelDriver,
  type ModelFiles,
  type ModelInfo,
  type ModelLevers,
  type Placement,
  type SequenceDriver,
  type Token,
  type Tokenizer,
  type Tuning,
} from '@mobillm/core';
import { callNative, fromNative, NativeSequenceDriver } from '@mobillm/core/native';
import type { LlamaCppAddon, NativeModel, NativeModelFacts, NativeTuning } from './addon.js';
import { EmbeddingQueue } from './embedding-queue.js';
import type { Lineage } from './lineage.js';
import { loadAdapter } from './load-adapter.js';
import { memoryItems } from './memory-items.js';
import type { ModelHeader } from './model-header.js';
import { RerankPrompt } from './rerank-prompt.js';
import { LlamaCppTokenizer } from './tokenizer.js';

function tuningOf(native: NativeTuning): Tuning {
  const { threads, flashAttentionMeasured: measured, processors, calibrating } = native;
  return {
    threads,
    flashAttention: {
      value: native.flashAttention,
      source: native.flashAttentionSource,
      ...(measured !== undefined && { measured }),
    },
    ...(processors.length > 0 && { processors }),
    calibrating,
  };
}

/** What a model is made of. */
export interface LlamaCppModelParts {
  readonly addon: LlamaCppAddon;
  /** The loaded model. */
  readonly native: NativeModel;
  /** What it said when it was loaded. */
  readonly facts: NativeModelFacts;
  /** What its header said. */
  readonly header: ModelHeader;
  /** Which weights its caches belong to. */
  readonly lineage: Lineage;
  /** Processors that threads may be asked for. */
  readonly processors: number;
  /** Tokens in one prefill step at opening: no step can be made larger later. */
  readonly batchTokens: number;
  /** Everything of the placement but what can change. */
  readonly placement: Omit<Placement, 'threads' | 'tuning'>;
}

/** An open model of llama.cpp. */
export class LlamaCppModel implements ModelDriver {
  readonly info: ModelInfo;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly tokenizer: Tokenizer;
  readonly #parts: LlamaCppModelParts;
  readonly #sequences = new Set<NativeSequenceDriver>();
  readonly #embeddings: EmbeddingQueue;
  #prompt: RerankPrompt | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: LlamaCppModelParts) {
    const { facts, header } = parts;
    this.#parts = parts;
    this.info = {
      architecture: facts.architecture,
      trainedContextTokens: facts.trainedContextTokens,
      tasks: [
        ...(header.generates ? (['generate'] as const) : []),
        'embed',
        ...(header.ranks ? (['rerank'] as const) : []),
      ],
      embedding: { length: facts.embeddingLength, pooling: header.pooling },
      parameterCount: facts.parameterCount,
      weightBytes: facts.weightBytes,
      name: facts.name === '' ? undefined : facts.name,
      chatTemplate: facts.chatTemplate === '' ? undefined : facts.chatTemplate,
    };
    this.contextTokens = facts.contextTokens;
    this.kvPoolTokens = facts.poolTokens;
    this.tokenizer = new LlamaCppTokenizer(parts.native);
    this.#embeddings = new EmbeddingQueue(parts.native, facts.contextTokens);
  }

  placement(): Placement {
    const { placement, native } = this.#parts;
    return { ...placement, threads: native.threads, tuning: tuningOf(native.tuning) };
  }

  lineage(signal?: AbortSignal): Promise<KvLineage> {
    return this.#parts.lineage.lineage(signal);
  }

  createSequence(): Promise<SequenceDriver> {
    return Promise.resolve().then(() => {
      // One made now would not be closed with the others, and later the model's thread is gone.
      this.#requireOpen();
      const native = callNative(() => this.#parts.native.createSequence());
      const sequence = new NativeSequenceDriver(native, {
        onClose: (closed) => this.#sequences.delete(closed),
        kv: this.#parts.lineage,
      });
      this.#sequences.add(sequence);
      return sequence;
    });
  }

  async loadAdapter(files: ModelFiles, options: DriverAdapterOptions): Promise<AdapterDriver> {
    this.#requireOpen();
    return loadAdapter(this.#parts, files, options);
  }

  async embed(
    texts: readonly (readonly Token[])[],
    options: DriverEmbedOptions,
  ): Promise<Float32Array[]> {
    this.#requireOpen();
    return this.#embeddings.run(texts, options);
  }

  async rerank(
    query: string,
    documents: readonly string[],
    { truncate, ...options }: DriverRerankOptions,
  ): Promise<number[]> {
    this.#requireOpen();
    if (!this.#parts.header.ranks) {
      throw new MobillmError(
        'UNSUPPORTED',
        'This model has no head that scores a document for a query (a tensor "cls.output.weight"). Open a reranking model.',
      );
    }
    this.#prompt ??= new RerankPrompt(this.tokenizer, {
      template: this.#parts.facts.rerankTemplate,
      separator: [...callNative(() => this.#parts.native.vocabulary()).separatorTokens],
      contextTokens: this.contextTokens,
    });
    const texts = await this.#prompt.encode(query, documents, truncate, options.signal);
    const rows = await this.#embeddings.run(texts, { ...options, pooling: 'rank' });
    return rows.map((row) => row[0] ?? NaN);
  }

  async adjust(levers: ModelLevers): Promise<void> {
    const { processors, batchTokens, native } = this.#parts;
    const checked = check.optionsObject({
      threads: check.integer({ min: 1, max: processors }),
      batchTokens: check.integer({ min: 1, max: batchTokens }),
    })(levers, '');
    try {
      await native.adjust(checked.threads ?? 0, checked.batchTokens ?? 0);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * What it takes now, as the library has allocated it: weights, caches and scratch memory by device. Neither
   * adapters nor the buffer of the output are told by it.
   */
  async memory(): Promise<MemoryEstimate['items']> {
    this.#requireOpen();
    try {
      return memoryItems(await this.#parts.native.memory());
    } catch (error) {
      throw fromNative(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #requireOpen(): void {
    if (this.#closing) throw new MobillmError('CLOSED', 'The model was closed. Open it again.');
  }

  async #close(): Promise<void> {
    const { native } = this.#parts;
    await Promise.all([
      this.#embeddings.close(),
      ...Array.from(this.#sequences, (sequence) => sequence.close()),
    ]);
    await native.close();
  }
}
