import type { ShapedModel } from '../store/model-description.js';

/** Number formats of cached keys and values. */
export type KvType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0';

/**
 * Bytes a cached value takes. The quantized formats hold 32 values in a block with a 16-bit scale
 * and, for `_1`, a 16-bit offset: q8_0 is 34 bytes for 32 values.
 */
export const kvTypeBytes: Readonly<Record<KvType, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  q8_0: 34 / 32,
  q5_1: 24 / 32,
  q5_0: 22 / 32,
  q4_1: 20 / 32,
  q4_0: 18 / 32,
};

/**
 * Period of sliding-window attention by architecture: in every run of so many layers, one sees the
 * whole context and the others the window alone. Each is the published design of its family.
 * Architectures that are not listed count as seeing everything: too much memory rather than too
 * little.
 */
const slidingPeriods: Readonly<Record<string, number>> = {
  gemma2: 2,
  gemma3: 6,
  gemma3n: 5,
  'gpt-oss': 2,
  cohere2: 4,
  olmo2: 4,
  exaone4: 4,
  llama4: 4,
};

/** What the size of a cache depends on besides the model. */
export interface KvCacheSettings {
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Sequences that may be open at once. */
  readonly sequences: number;
  /** Number format of keys. */
  readonly keyType: KvType;
  /** Number format of values. */
  readonly valueType: KvType;
  /** Tokens in one prefill step; a window is longer by so many, since a step is written before it is read. */
  readonly batchTokens: number;
  /** `shared`: all sequences together hold `contextTokens`; `per-sequence`: each one does. */
  readonly kvPool: 'shared' | 'per-sequence';
}

/** The parts of a model's description that its cache depends on. */
export type KvModel = Pick<
  ShapedModel,
  'architecture' | 'layers' | 'kvHeads' | 'keyLength' | 'valueLength' | 'slidingWindowTokens'
>;

/** Cells of a cache are padded to so many; so is a context. */
const cellPadding = 256;

/**
 * Bytes that one more token of context takes over all layers, before a sliding window fills:
 * layers · kvHeads · (keyLength · bytes of a key value + valueLength · bytes of a value).
 */
export function kvBytesPerToken(
  model: KvModel,
  types: { readonly keyType: KvType; readonly valueType: KvType } = {
    keyType: 'f16',
    valueType: 'f16',
  },
): number {
  return model.layers * layerBytesPerToken(model, types);
}

/**
 * Bytes of a cache: Σ over layers of cells · kvHeads · (dK · bK + dV · bV). A layer has as many cells
 * as the context, padded to 256; one with a sliding window has min(context, window · sequences +
 * batch), padded, where sequences share a pool, and window + batch for each where they do not.
 */
export function kvCacheBytes(model: KvModel, settings: KvCacheSettings): number {
  const cells = kvCells(model, settings);
  const streams = settings.kvPool === 'shared' ? 1 : settings.sequences;
  const sliding = slidingLayers(model);
  const layerCells = (model.layers - sliding) * cells.full + sliding * cells.sliding;
  return streams * layerCells * layerBytesPerToken(model, settings);
}

/** Cells that one step of a sequence looks at, in a layer of either kind. */
export function kvCells(
  model: KvModel,
  settings: KvCacheSettings,
): { readonly full: number; readonly sliding: number } {
  const full = pad(settings.contextTokens);
  const window = model.slidingWindowTokens ?? full;
  const sharers = settings.kvPool === 'shared' ? settings.sequences : 1;
  const batch = Math.min(settings.batchTokens, full);
  return { full, sliding: pad(Math.min(full, window * sharers + batch)) };
}

/** Layers that see a window alone. */
export function slidingLayers(model: KvModel): number {
  const period = slidingPeriods[model.architecture];
  if (period === undefined || model.slidingWindowTokens === undefined) return 0;
  return model.layers - Math.floor(model.layers / period);
}

function layerBytesPerToken(
  model: KvModel,
  types: { readonly keyType: KvType; readonly valueType: KvType },
): number {
  return (
    model.kvHeads *
    (model.keyLength * kvTypeBytes[types.keyType] +
      model.valueLength * kvTypeBytes[types.valueType])
  );
}

function pad(tokens: number): number {
  return Math.ceil(tokens / cellPadding) * cellPadding;
}
