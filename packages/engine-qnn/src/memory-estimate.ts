import type { MemoryEstimate, QnnManifest } from '@mobillm/core';

/** What an estimate is for. */
export interface EstimateFor {
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Sequences, each with a cache of its own. */
  readonly sequences: number;
  /** Device that the model runs on. */
  readonly device: string;
}

const f16Bytes = 2;
const i32Bytes = 4;

/**
 * Memory of a compiled model, from its manifest: the binary as it is stored, a cache a sequence, and
 * the buffers of each graph's inputs and outputs, which have the context that they were compiled for.
 */
export function estimateMemory(manifest: QnnManifest, wanted: EstimateFor): MemoryEstimate {
  const { device, contextTokens, sequences } = wanted;
  const { compute, output } = bufferBytes(manifest);
  const items = [
    { purpose: 'weights', device, bytes: manifest.binaries[0].bytes },
    {
      purpose: 'kv-cache',
      device,
      bytes: cacheBytes(manifest, contextTokens) * sequences,
    },
    { purpose: 'compute', device, bytes: compute },
    { purpose: 'output', device, bytes: output },
  ] as const;
  const totalBytes = items.reduce((sum, { bytes }) => sum + bytes, 0);
  return { items, totalBytes, method: 'formula', contextTokens };
}

/** Bytes of the keys and values of that many tokens. */
export function cacheBytes(manifest: QnnManifest, tokens: number): number {
  const { layers, kvHeads, headLength } = manifest.parameters;
  return layers * 2 * kvHeads * headLength * f16Bytes * tokens;
}

/** Bytes of all graphs' buffers; the tensors are those of Genie's convention. */
export function bufferBytes(manifest: QnnManifest): {
  readonly compute: number;
  readonly output: number;
} {
  const { contextTokens, graphs, parameters } = manifest;
  let compute = 0;
  let output = 0;
  for (const { tokens } of graphs) {
    const mask = tokens * contextTokens * f16Bytes;
    const rotation = tokens * parameters.headLength * f16Bytes;
    // The past and the new tokens together are as many as the context.
    compute += tokens * i32Bytes + mask + rotation + cacheBytes(manifest, contextTokens);
    output += tokens * parameters.vocabularySize * f16Bytes;
  }
  return { compute, output };
}
