import {
  type GgufLayout,
  ggufLineage,
  type GgufTensor,
  type GgufVocabulary,
  type ggufWeightsFile,
  type KvLineage,
  type LlamaParameters,
  type QnnModelParameters,
  readGgufVocabulary,
  readLlamaParameters,
  validateGguf,
} from '@mobillm/core';
import type { NativeWeight, NativeWeights } from '../addon.js';
import type { FileAccess } from '../system/system.js';

/** What the compiler needs of a GGUF file, all of it checked. */
export interface SourceModel {
  /** Path of the file. */
  readonly path: string;
  /** Which weights these are. */
  readonly lineage: KvLineage;
  /** The model's own name, where the file has one that a manifest can hold. */
  readonly name?: string;
  /** The numbers of the model. */
  readonly parameters: QnnModelParameters;
  /** Where its weights lie. */
  readonly weights: NativeWeights;
  /** Its vocabulary. */
  readonly vocabulary: GgufVocabulary;
  /** Tells this state of the file from any later one. */
  readonly stamp: string;
}

/**
 * Reads the header and the vocabulary of a GGUF file, and its whole content for the sha256 where that
 * is not recorded.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`, `MODEL_INVALID`; `MODEL_UNSUPPORTED` for what is
 * no plain Llama model.
 */
export async function readSourceModel(
  files: FileAccess,
  { path, sha256 }: ReturnType<typeof ggufWeightsFile>,
  signal?: AbortSignal,
): Promise<SourceModel> {
  const stop = signal && { signal };
  const stamp = await files.stamp(path);
  // What cannot be opened or is no model is told by this first one.
  const lineage = await ggufLineage(path, { ...stop, ...(sha256 !== undefined && { sha256 }) });
  const source = await files.open(path);
  try {
    const layout = await validateGguf(source, stop);
    const llama = readLlamaParameters(layout);
    const name = nameOf(layout);
    return {
      path,
      lineage,
      ...(name !== undefined && { name }),
      parameters: parametersOf(llama, layout),
      weights: weightsOf(llama),
      vocabulary: await readGgufVocabulary(source, layout, stop),
      stamp,
    };
  } finally {
    await source.close();
  }
}

function nameOf(layout: GgufLayout): string | undefined {
  const name = layout.metadata.get('general.name')?.value;
  // What would make a sound model's manifest be refused is left out.
  return typeof name === 'string' && /^[^\p{Cc}]{1,256}$/u.test(name) ? name : undefined;
}

function parametersOf(llama: LlamaParameters, layout: GgufLayout): QnnModelParameters {
  return {
    layers: llama.layers,
    embeddingLength: llama.embeddingLength,
    feedForwardLength: llama.feedForwardLength,
    heads: llama.heads,
    kvHeads: llama.kvHeads,
    headLength: llama.headLength,
    vocabularySize: llama.vocabularySize,
    rmsEpsilon: llama.rmsEpsilon,
    ropeBase: llama.ropeBase,
    ropeScale: llama.ropeScale,
    trainedContextTokens: llama.trainedContextTokens,
    parameterCount: layout.tensors.reduce((sum, { elementCount }) => sum + elementCount, 0),
  };
}

function weightsOf({ tensors, tiedEmbedding }: LlamaParameters): NativeWeights {
  return {
    tokenEmbedding: weightOf(tensors.tokenEmbedding),
    outputNorm: weightOf(tensors.outputNorm),
    ...(!tiedEmbedding && { output: weightOf(tensors.output) }),
    layers: tensors.layers.map((layer) => ({
      attentionNorm: weightOf(layer.attentionNorm),
      query: weightOf(layer.query),
      key: weightOf(layer.key),
      value: weightOf(layer.value),
      attentionOutput: weightOf(layer.attentionOutput),
      feedForwardNorm: weightOf(layer.feedForwardNorm),
      gate: weightOf(layer.gate),
      up: weightOf(layer.up),
      down: weightOf(layer.down),
    })),
  };
}

function weightOf({ offset, type, shape }: GgufTensor): NativeWeight {
  return { offset, type: type.id, shape };
}
