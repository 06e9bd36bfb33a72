import { tinyLlamaGguf } from '@mobillm/core/testing';

const mebibyte = 2 ** 20;

/**
 * A model of random weights with as many mebibytes beside its own as are asked for: they stand for what another
 * quantization of it weighs.
 */
export function modelOf(mebibytes: number, seed = 1): Uint8Array {
  const bytes = mebibytes * mebibyte;
  return tinyLlamaGguf({
    seed,
    metadata: { 'llama.context_length': { type: 'uint32', value: 8192 } },
    tensors: [
      {
        name: 'blk.0.more.weight',
        type: 'Q8_0',
        shape: [32, bytes / 32],
        data: new Uint8Array((bytes / 32) * 34),
      },
    ],
  });
}
