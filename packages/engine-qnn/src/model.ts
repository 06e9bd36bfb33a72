import {
  type KvLineage,
  MobillmError,
  type ModelDriver,
  type ModelInfo,
  type Placement,
  type SequenceDriver,
  type Tokenizer,
  usableContextTokens,
} from '@mobillm/core';
import { callNative, NativeSequenceDriver } from '@mobillm/core/native';
import type { NativeModel } from './addon.js';
import type { ModelFolder } from './model-folder.js';

/** What a model is made of. */
export interface QnnModelParts {
  /** The loaded model. */
  readonly native: NativeModel;
  /** Its files and manifest. */
  readonly folder: ModelFolder;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** What the tokenizer's configuration has for a chat template. */
  readonly chatTemplate: unknown;
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Sequences that may be open at once. */
  readonly sequences: number;
  /** Where it runs. */
  readonly placement: Placement;
  /** Called when it closes, before anything is freed. */
  readonly onClose: () => void;
}

/** An open model of the HTP back end. */
export class QnnModel implements ModelDriver {
  readonly info: ModelInfo;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly tokenizer: Tokenizer;
  readonly #parts: QnnModelParts;
  readonly #sequences = new Set<NativeSequenceDriver>();
  #closing: Promise<void> | undefined;

  constructor(parts: QnnModelParts) {
    const { manifest } = parts.folder;
    this.#parts = parts;
    this.info = {
      architecture: manifest.derivedFrom.architecture,
      trainedContextTokens: usableContextTokens(manifest),
      tasks: ['generate'],
      embedding: undefined,
      name: manifest.name,
      parameterCount: manifest.parameters.parameterCount,
      weightBytes: manifest.binaries[0].bytes,
      chatTemplate: typeof parts.chatTemplate === 'string' ? parts.chatTemplate : undefined,
    };
    this.contextTokens = parts.contextTokens;
    // Each sequence has a cache of its own.
    this.kvPoolTokens = parts.contextTokens * parts.sequences;
    this.tokenizer = parts.tokenizer;
  }

  placement(): Placement {
    return this.#parts.placement;
  }

  lineage(): Promise<KvLineage> {
    return Promise.resolve(this.#parts.folder.manifest.derivedFrom);
  }

  createSequence(): Promise<SequenceDriver> {
    return Promise.resolve().then(() => {
      // One made now would not be closed with the others, and later the model's thread is gone.
      if (this.#closing) throw new MobillmError('CLOSED', 'The model was closed. Open it again.');
      const native = callNative(() => this.#parts.native.createSequence());
      const sequence = new NativeSequenceDriver(native, {
        onClose: (closed) => this.#sequences.delete(closed),
        tokenizer: this.tokenizer,
        kv: { lineage: () => this.lineage() },
      });
      this.#sequences.add(sequence);
      return sequence;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#parts.onClose();
    await Promise.all(Array.from(this.#sequences, (sequence) => sequence.close()));
    await this.#parts.native.close();
  }
}
