import { type MemoryEstimate, type MlcConfig, mlcWeightBytes } from '@mobillm/core';
import type { ModelFolder } from './folder/model-folder.js';

/** What an open model's memory depends on besides the model. */
export interface EstimateSettings {
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Sequences that are to be open at once. */
  readonly sequences: number;
  /** Device to count it for. */
  readonly device: string;
}

/** Tokens in a page of the KV cache. */
const pageTokens = 16;

/** The runtime adds one page to each cache. */
const sparePages = 1;

/** The runtime's two libraries and its threads' stacks, measured. */
const fixedBytes = 12 * 2 ** 20;

/** Bytes of a number in the cache and in what is computed, from MLC's name: `q4f16_1`, `q0f32`. */
export function activationType(quantization: string): 'f16' | 'bf16' | 'f32' {
  return /bf16/.test(quantization) ? 'bf16' : /f16/.test(quantization) ? 'f16' : 'f32';
}

/**
 * Memory of an open model, by formula. Weights: the shards, which are copied. KV cache: keys and values
 * of all layers, in whole pages. Compute: what lives at once of a chunk's activations (the residual
 * stream twice, queries with keys and values, the attention's result and its scores, both halves of the
 * feed-forward layer and their product), twice, because the runtime keeps the memory of prefill and
 * decode apart; and the temporary arrays of the attention, in f32. Output: a row of logits and one for
 * sampling.
 */
export function estimateMemory(folder: ModelFolder, settings: EstimateSettings): MemoryEstimate {
  const { config } = folder;
  const { device, contextTokens, sequences } = settings;
  const items = [
    { purpose: 'weights', device, bytes: mlcWeightBytes(folder.cache) },
    { purpose: 'kv-cache', device, bytes: sequences * kvCacheBytes(config, contextTokens) },
    { purpose: 'compute', device, bytes: computeBytes(config) + fixedBytes },
    { purpose: 'output', device, bytes: 2 * 4 * config.vocabularySize },
  ] as const;
  return {
    items,
    totalBytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
    method: 'formula',
    contextTokens,
  };
}

function kvCacheBytes({ measures, quantization }: MlcConfig, contextTokens: number): number {
  const { layers, kvHeads, headLength } = measures;
  const pages = Math.ceil(contextTokens / pageTokens) + sparePages;
  return pages * pageTokens * 2 * layers * kvHeads * headLength * numberBytes(quantization);
}

function computeBytes({ measures, quantization, chunkTokens }: MlcConfig): number {
  const { embeddingLength, feedForwardLength, heads, kvHeads, headLength } = measures;
  const perToken =
    2 * embeddingLength +
    (heads + 2 * kvHeads) * headLength +
    heads * headLength +
    3 * feedForwardLength;
  const attention = (2 * heads + 2 * kvHeads) * headLength * 4;
  return chunkTokens * (2 * perToken * numberBytes(quantization) + attention);
}

function numberBytes(quantization: string): number {
  return activationType(quantization) === 'f32' ? 4 : 2;
}
