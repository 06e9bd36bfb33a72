import type { ModelDescription, ShapedModel } from '../store/model-description.js';
import {
  type KvCacheSettings,
  type KvType,
  kvCacheBytes,
  kvCells,
  slidingLayers,
} from './kv-cache.js';
import type { PlanMemory } from './plan.js';

/** What the memory of an open model depends on besides the model. */
export interface MemorySettings extends KvCacheSettings {
  /** Positions of one step whose logits are kept: one a sequence when generating. */
  readonly outputRows: number;
  /** Processor architecture as Node names it; decides which weights are rearranged. */
  readonly arch: string;
  /**
   * What a matrix of attention scores may take, in bytes: attention is computed with one where it takes
   * no more and the values are not quantized, and by blocks (flash attention) otherwise. 0 by default.
   */
  readonly matrixBytes?: number;
}

/** Intermediate results are f32. */
const floatBytes = 4;

/** The attention mask is f16; beside a matrix of scores it is f32 as they are. */
const maskBytes = 2;

/** Formats of values that a matrix of scores can be multiplied with. */
const matrixTypes: ReadonlySet<KvType> = new Set(['f32', 'f16', 'bf16']);

/** Rows of weights that the processor multiplies are quantized to 8 bits: 34 bytes for 32 values. */
const quantizedInputBytes = 34 / 32;

/** The widest feed-forward layer among today's dense families, in embedding lengths. */
const assumedFeedForward = 6;

/** The library's own state and its threads' stacks, measured. */
const fixedOverheadBytes = 10 * 2 ** 20;

/** A token's spelling, score, merges and places in two tables, measured. */
const vocabularyBytesPerToken = 256;

/**
 * Weight types that llama.cpp rearranges for the processor when it loads them, into memory of their
 * own. `Q8_0` only on Arm.
 */
const rearrangedTypes: ReadonlySet<string> = new Set([
  'Q4_0',
  'Q2_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'IQ4_NL',
  'MXFP4',
]);

/**
 * Memory of an open model by llama.cpp's accounting on a CPU. How the formulas were found and how far
 * they are off stands in `docs/planner.md`. It can fall where the context grows: where a matrix of scores
 * would take more than `matrixBytes`.
 */
export function estimateMemory(model: ShapedModel, settings: MemorySettings): PlanMemory {
  const parts = {
    weightsBytes: model.weightBytes + secondEmbeddingBytes(model, settings.arch),
    kvCacheBytes: Math.ceil(kvCacheBytes(model, settings)),
    computeBytes: Math.ceil(computeBytes(model, settings)),
    overheadBytes: Math.ceil(overheadBytes(model, settings)),
  };
  return {
    ...parts,
    totalBytes: parts.weightsBytes + parts.kvCacheBytes + parts.computeBytes + parts.overheadBytes,
  };
}

/**
 * What is known of the memory of a model whose header does not tell its shape, at least that: its weights, its
 * vocabulary and what every model takes.
 */
export function estimateWeights(model: ModelDescription, arch: string): PlanMemory {
  const weightsBytes = model.weightBytes + secondEmbeddingBytes(model, arch);
  const overheadBytes = fixedOverheadBytes + vocabularyBytesPerToken * (model.vocabularySize ?? 0);
  return {
    weightsBytes,
    kvCacheBytes: 0,
    computeBytes: 0,
    overheadBytes,
    totalBytes: weightsBytes + overheadBytes,
  };
}

/**
 * An embedding that is the output matrix too is looked up as stored and multiplied as rearranged, so
 * both forms stay in memory.
 */
function secondEmbeddingBytes(model: ModelDescription, arch: string): number {
  const tied = model.tiedEmbedding;
  if (tied === undefined) return 0;
  const rearranged =
    rearrangedTypes.has(tied.type) || (tied.type === 'Q8_0' && arch.startsWith('arm'));
  return rearranged ? tied.bytes : 0;
}

/**
 * The largest of two moments. In a feed-forward layer: three rows of its width and three of the
 * residual stream, the queries, and a mask over all cells. At the output: logits for the rows that
 * are kept, beside two rows of the residual stream for every token.
 */
function computeBytes(model: ShapedModel, settings: MemorySettings): number {
  const tokens = Math.min(settings.batchTokens, settings.contextTokens);
  const cells = kvCells(model, settings);
  const masked = cells.full + (slidingLayers(model) > 0 ? cells.sliding : 0);
  const layerRow =
    floatBytes *
      (3 * feedForwardLength(model) +
        3 * model.embeddingLength +
        model.attentionHeads * model.keyLength) +
    maskBytes * masked;
  const rows = Math.min(settings.outputRows, tokens);
  const output =
    rows * (model.vocabularySize + 2 * model.embeddingLength) +
    (rows < tokens ? tokens * 2 * model.embeddingLength : 0);
  const blocks = Math.max(tokens * layerRow, floatBytes * output);
  return Math.max(blocks, tokens * matrixRow(model, settings));
}

/**
 * With a matrix of scores, the moment at which it is there: a row of every head and of the mask, three
 * rows of the residual stream, the queries, what becomes of them, and a key and a value. 0 without one.
 */
function matrixRow(model: ShapedModel, settings: MemorySettings): number {
  const { contextTokens, batchTokens, matrixBytes = 0, valueType } = settings;
  const { attentionHeads, embeddingLength, keyLength, valueLength, kvHeads } = model;
  const scores = floatBytes * attentionHeads * batchTokens * contextTokens;
  if (scores > matrixBytes || !matrixTypes.has(valueType)) return 0;
  const { full } = kvCells(model, settings);
  return (
    floatBytes *
    ((attentionHeads + 1) * full +
      3 * embeddingLength +
      attentionHeads * (keyLength + valueLength) +
      kvHeads * (keyLength + valueLength))
  );
}

function overheadBytes(model: ShapedModel, settings: MemorySettings): number {
  const tokens = Math.min(settings.batchTokens, settings.contextTokens);
  return (
    fixedOverheadBytes +
    vocabularyBytesPerToken * model.vocabularySize +
    tokens * feedForwardLength(model) * quantizedInputBytes
  );
}

function feedForwardLength(model: ShapedModel): number {
  return model.feedForwardLength ?? assumedFeedForward * model.embeddingLength;
}
