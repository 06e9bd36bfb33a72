import {
  type ByteSource,
  type GgufTensor,
  MobillmError,
  type ModelFiles,
  type Pooling,
  validateGguf,
} from '@mobillm/core';
import { callNative } from '@mobillm/core/native';
import type { LlamaCppAddon, NativeFile } from './addon.js';

/** What the engine needs to know of a file before the library sees it. */
export interface ModelHeader {
  /** Absolute path of the weights. */
  readonly path: string;
  /** Its size and time of change when it was checked. */
  readonly fileBytes: number;
  readonly modifiedAt: number;
  /** Whether it is the first of several parts. */
  readonly split: boolean;
  readonly architecture: string;
  readonly trainedContextTokens: number;
  readonly vocabularySize: number;
  /** Whether it generates token by token; otherwise it is made for vectors of texts. */
  readonly generates: boolean;
  /** Pooling that it was trained for, where its header names one. */
  readonly pooling: Pooling | undefined;
  /** Whether it has a head that scores a text. */
  readonly ranks: boolean;
  /** Its tensors, of all parts: what adapters have to fit. */
  readonly tensors: readonly GgufTensor[];
  /** Layers, as the header has them; 0 where it does not say. */
  readonly modelLayers: number;
  /** Query heads of a layer; 0 where the header does not say one number for all. */
  readonly attentionHeads: number;
}

/** Architectures whose tokens see those behind them: the same list stands in `model_header.cpp`. */
const encoders = new Set(
  (
    'bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 neo-bert modern-bert nomic-bert ' +
    'nomic-bert-moe'
  ).split(' '),
);

/** `LLAMA_POOLING_TYPE_*`. */
const poolings = new Map<unknown, Pooling>([
  [1, 'mean'],
  [2, 'cls'],
  [3, 'last'],
]);

/**
 * Reads and validates a model's header. The library never sees a file that did not pass: it meets a
 * broken one with an assertion, which ends the process.
 */
export class ModelHeaders {
  readonly #addon: LlamaCppAddon;
  /** Headers by the object that named the file: core asks several times while it opens a model. */
  readonly #known = new WeakMap<ModelFiles, { readonly stamp: string; header: ModelHeader }>();

  constructor(addon: LlamaCppAddon) {
    this.#addon = addon;
  }

  /**
   * The header of a model's first weights file.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
   */
  async read(files: ModelFiles, signal?: AbortSignal): Promise<ModelHeader> {
    const path = weightsPath(files);
    const file = callNative(() => new this.#addon.File(path));
    try {
      const stamp = `${path}\n${file.byteLength}\n${file.modifiedAt}`;
      const known = this.#known.get(files);
      if (known?.stamp === stamp) return known.header;
      const header = await this.#validate(path, file, signal);
      this.#known.set(files, { stamp, header });
      return header;
    } finally {
      file.close();
    }
  }

  /** The library opens all parts of a split model by itself, so each is checked before. */
  async #validateParts(
    first: string,
    parts: number,
    signal?: AbortSignal,
  ): Promise<readonly GgufTensor[]> {
    const tensors: GgufTensor[] = [];
    for (let part = 2; part <= parts; part++) {
      const file = callNative(() => new this.#addon.File(partPath(first, part, parts)));
      try {
        const layout = await validateGguf(byteSource(file), signal && { signal });
        tensors.push(...layout.tensors);
      } finally {
        file.close();
      }
    }
    return tensors;
  }

  async #validate(path: string, file: NativeFile, signal?: AbortSignal): Promise<ModelHeader> {
    const { metadata, tensors } = await validateGguf(byteSource(file), signal && { signal });
    if (metadata.get('general.type')?.value === 'adapter') {
      throw invalid(path, 'it is an adapter; open its model, and load it by loadAdapter');
    }
    const architecture = metadata.get('general.architecture')?.value;
    if (typeof architecture !== 'string') {
      throw invalid(path, 'its header does not name an architecture');
    }
    if (!this.#addon.knowsArchitecture(architecture)) {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `llama.cpp does not know the architecture "${architecture}" of ${path}. A newer version of @mobillm/engine-llamacpp may.`,
        { details: { path, architecture } },
      );
    }
    const trained = metadata.get(`${architecture}.context_length`)?.value;
    if (typeof trained !== 'number' || trained < 1) {
      throw invalid(path, `its header has no ${architecture}.context_length`);
    }
    const split = Number(metadata.get('split.count')?.value ?? 1) > 1;
    const parts = Number(metadata.get('split.count')?.value);
    const others = split ? await this.#validateParts(path, parts, signal) : [];
    return {
      path,
      fileBytes: file.byteLength,
      modifiedAt: file.modifiedAt,
      split,
      architecture,
      trainedContextTokens: trained,
      tensors: [...tensors, ...others],
      modelLayers: countOf(metadata.get(`${architecture}.block_count`)?.value),
      attentionHeads: countOf(metadata.get(`${architecture}.attention.head_count`)?.value),
      vocabularySize: metadata.get('tokenizer.ggml.tokens')?.elementCount ?? 0,
      generates:
        !encoders.has(architecture) &&
        metadata.get(`${architecture}.attention.causal`)?.value !== false,
      // The library takes a score from whatever comes out in the end, head or not.
      ranks: tensors.some(({ name }) => name === 'cls.output.weight'),
      pooling: poolings.get(metadata.get(`${architecture}.pooling_type`)?.value),
    };
  }
}

/** A count that is one: whether the library takes it is the library's business. */
function countOf(count: unknown): number {
  const isCount = typeof count === 'number' && Number.isInteger(count);
  return isCount && count >= 0 && count <= largestCount ? count : 0;
}

/** What the addon reads at most. */
const largestCount = 2 ** 20;

/** The name of a part as the library forms it, from that of the first: `x-00002-of-00003.gguf`. */
function partPath(first: string, part: number, parts: number): string {
  const digits = (value: number) => String(value).padStart(5, '0');
  const suffix = `-${digits(1)}-of-${digits(parts)}.gguf`;
  if (!first.endsWith(suffix)) {
    throw invalid(first, `it is part of a split model, so its name has to end in ${suffix}`);
  }
  return `${first.slice(0, -suffix.length)}-${digits(part)}-of-${digits(parts)}.gguf`;
}

function weightsPath(files: ModelFiles): string {
  const weights = files.files.find((file) => file.role === 'weights');
  if (weights === undefined) {
    throw new MobillmError('MODEL_INVALID', 'The model has no file of weights. Add it again.', {
      details: { name: files.name },
    });
  }
  return weights.path;
}

function invalid(path: string, what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The file ${path} is no model: ${what}. Download it again and compare its sha256.`,
    { details: { path, what } },
  );
}

/** A file of the addon's as core reads it. */
export function byteSource(file: NativeFile): ByteSource {
  return {
    byteLength: file.byteLength,
    read: (offset, length) =>
      Promise.resolve().then(() => callNative(() => file.read(offset, length))),
    close: () => {
      file.close();
      return Promise.resolve();
    },
  };
}
