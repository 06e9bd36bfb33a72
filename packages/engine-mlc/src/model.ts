import {
  check,
  type KvLineage,
  mlcParameterCount,
  mlcWeightBytes,
  MobillmError,
  type ModelDriver,
  type ModelInfo,
  type ModelLevers,
  type Placement,
  type SequenceDriver,
  type Tokenizer,
} from '@mobillm/core';
import { fromNative, NativeSequenceDriver } from '@mobillm/core/native';
import type { NativeModel } from './addon.js';
import type { ModelFolder } from './folder/model-folder.js';

/** What a model is made of. */
export interface MlcModelParts {
  /** The loaded model. */
  readonly native: NativeModel;
  /** Its files and what they say. */
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  /** What the tokenizer's configuration has for a chat template. */
  readonly chatTemplate: unknown;
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Sequences that may be open at once. */
  readonly sequences: number;
  /** Processors that threads may be asked for. */
  readonly processors: number;
  /** Most tokens of one prefill step, as the model was compiled. */
  readonly batchTokens: number;
  /** Everything of the placement but the threads, which can change. */
  readonly placement: Omit<Placement, 'threads'>;
  /** Called when it closes, before anything is freed. */
  readonly onClose: () => void;
}

/** An open model of the TVM runtime. */
export class MlcModel implements ModelDriver {
  readonly info: ModelInfo;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly tokenizer: Tokenizer;
  readonly #parts: MlcModelParts;
  readonly #sequences = new Set<NativeSequenceDriver>();
  /** Sequences that are being made; they never reject. */
  readonly #creating = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(parts: MlcModelParts) {
    const { config, cache } = parts.folder;
    this.#parts = parts;
    this.info = {
      architecture: config.architecture,
      trainedContextTokens: config.trainedContextTokens,
      tasks: ['generate'],
      embedding: undefined,
      name: undefined,
      parameterCount: mlcParameterCount(config),
      weightBytes: mlcWeightBytes(cache),
      chatTemplate: typeof parts.chatTemplate === 'string' ? parts.chatTemplate : undefined,
    };
    this.contextTokens = parts.contextTokens;
    // Each sequence has a cache of its own.
    this.kvPoolTokens = parts.contextTokens * parts.sequences;
    this.tokenizer = parts.tokenizer;
  }

  placement(): Placement {
    return { ...this.#parts.placement, threads: this.#parts.native.threads };
  }

  lineage(): Promise<KvLineage> {
    const { config, configPath } = this.#parts.folder;
    if (config.own !== undefined) return Promise.resolve(config.own.derivedFrom);
    return Promise.reject(
      new MobillmError(
        'UNSUPPORTED',
        `${configPath} does not say which weights the model was made from, so its KV cache cannot be handed over. Compile the model with this package's own compiler.`,
        { details: { path: configPath } },
      ),
    );
  }

  async createSequence(): Promise<SequenceDriver> {
    if (this.#closing) {
      throw new MobillmError('CLOSED', 'The model was closed. Open it again.');
    }
    const creating = this.#createSequence();
    const over = creating.catch(() => undefined);
    this.#creating.add(over);
    try {
      return await creating;
    } finally {
      this.#creating.delete(over);
    }
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

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#parts.onClose();
    await Promise.all(this.#creating);
    await Promise.all(Array.from(this.#sequences, (sequence) => sequence.close()));
    await this.#parts.native.close();
  }

  async #createSequence(): Promise<SequenceDriver> {
    try {
      const sequence = new NativeSequenceDriver(await this.#parts.native.createSequence(), {
        onClose: (closed) => this.#sequences.delete(closed),
        tokenizer: this.tokenizer,
        kv: { lineage: () => this.lineage() },
      });
      this.#sequences.add(sequence);
      return sequence;
    } catch (error) {
      throw fromNative(error);
    }
  }
}
