import {
  type DriverEstimateOptions,
  type MemoryShortage,
  memoryAdvice,
  MobillmError,
} from '@mobillm/core';
import {
  type KvCacheType,
  type ResolvedOpenOptions,
  resolveOpenOptions,
} from './engine-options.js';

/** Formats of cached values that have one of half their size or less that loses little. */
const largeTypes = new Set<KvCacheType>(['f32', 'f16', 'bf16']);

/** What is usual: more takes memory that could be spared. */
const usual = { batchTokens: 512, sequences: 4 };

/**
 * What of a model's options could take less memory where it is short. See `EngineDriver.memoryAdvice`.
 *
 * @throws InvalidArgument where the options are none.
 */
export function adviseMemory(
  options: DriverEstimateOptions,
  shortage: MemoryShortage,
): readonly string[] {
  const own = resolveOpenOptions(options.engineOptions);
  const takes = (...purposes: readonly string[]) =>
    !shortage.items || shortage.items.some(({ purpose }) => purposes.includes(purpose));
  return [
    ...(takes('kv-cache') ? cacheAdvice(options, own) : []),
    ...(takes('compute', 'output') ? stepAdvice(options, own) : []),
    ...(own.draftModel === undefined ? [] : ['no "draftModel"']),
    ...(takes('adapters') && options.adapters?.length ? ['fewer adapters'] : []),
    ...layerAdvice(options, own, shortage),
  ];
}

/**
 * An error as it is, but one of the addon that says that there is too little memory to open a model: that
 * one ends with what to do about it.
 */
export function withAdvice(error: unknown, options: DriverEstimateOptions): unknown {
  if (!MobillmError.is(error, 'OUT_OF_MEMORY')) return error;
  const { device } = error.details;
  const own = adviseMemory(options, typeof device === 'string' ? { device } : {});
  const advice = memoryAdvice('a smaller "contextTokens"', own);
  const { retryable, details, cause } = error;
  return new MobillmError('OUT_OF_MEMORY', `${error.message} ${advice}`, {
    ...{ retryable, details, cause },
  });
}

function cacheAdvice(
  { contextTokens, sequences }: DriverEstimateOptions,
  { poolTokens, keyType, valueType, embedTokens, flashAttention }: ResolvedOpenOptions,
): string[] {
  const quantizes = largeTypes.has(valueType) && flashAttention !== 'off';
  // As many as that nobody could fill.
  const poolIsCapped = poolTokens >= contextTokens * sequences;
  return [
    ...(poolTokens > contextTokens && sequences > 1
      ? [
          `a "poolTokens" of ${contextTokens} at least`,
          ...(poolIsCapped ? ['fewer "sequences"'] : []),
        ]
      : []),
    // Not keys as well: where both are quantized, the library takes more for computing than it saves.
    ...(quantizes ? ['"q8_0" as "valueType"'] : []),
    ...(!quantizes && valueType === 'f32' ? ['"f16" as "valueType"'] : []),
    ...(keyType === 'f32' ? ['"f16" as "keyType"'] : []),
    ...(embedTokens > 0 ? ['a smaller "embedTokens"'] : []),
  ];
}

function stepAdvice(
  { sequences }: DriverEstimateOptions,
  { batchTokens, flashAttention, poolTokens }: ResolvedOpenOptions,
): string[] {
  return [
    ...(flashAttention === 'off' ? ['"flashAttention" that is not "off"'] : []),
    ...(batchTokens > usual.batchTokens ? [`a "batchTokens" of ${usual.batchTokens}`] : []),
    // Each has a row of logits.
    ...(sequences > usual.sequences && poolTokens === 0 ? ['fewer "sequences"'] : []),
  ];
}

function layerAdvice(
  { device }: DriverEstimateOptions,
  { gpuLayers, tensorSplit }: ResolvedOpenOptions,
  shortage: MemoryShortage,
): string[] {
  if (shortage.device !== undefined) {
    return gpuLayers === 'auto' ? [] : ['fewer "gpuLayers", or "auto"'];
  }
  // What a device beside the CPU holds, the machine need not.
  const offloads = tensorSplit !== undefined || (device !== undefined && device !== 'cpu');
  return offloads && typeof gpuLayers === 'number' ? ['more "gpuLayers", or "auto"'] : [];
}
