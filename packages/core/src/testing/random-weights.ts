import type { GgufWriterTensor } from './gguf-writer.js';

/** A tensor of F32 numbers. */
export function f32Tensor(
  name: string,
  shape: readonly number[],
  weights: Float32Array,
): GgufWriterTensor {
  const data = new Uint8Array(weights.length * 4);
  const view = new DataView(data.buffer);
  weights.forEach((weight, index) => view.setFloat32(index * 4, weight, true));
  return { name, type: 'F32', shape, data };
}

/** Normally distributed numbers (sum of uniform ones, so that no rounding of `log` differs). */
export function normalNumbers(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
}
