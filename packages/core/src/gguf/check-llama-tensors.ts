import { impossibleMetadata } from './gguf-errors.js';
import type { GgufLayout } from './gguf-layout.js';

/** Formats of intermediate results, which have no code to multiply or look up with as weights. */
const neverWeights = new Set(['Q8_1', 'Q8_K', 'I8', 'I16', 'F64']);

/** Tables of token numbers, in integers and of one dimension or two. */
const integerTables = /(^|\.)(d2t|t2d|ffn_gate_tid2eid)(\.weight)?$/;

/** Vectors that are added and multiplied as they are, which the CPU does in F32 alone. */
const vectors =
  /(norm|norm_\d|rope_freqs|rope_factors_\w+|token_types)\.weight$|\.(bias|scale|input_scale)$/;

/**
 * Checks that each tensor has a number format that its use can have: llama.cpp looks up the code of
 * a format without asking whether there is any.
 *
 * @throws MobillmError `MODEL_INVALID`; `details.key` is the tensor's name.
 */
export function checkLlamaTensors({ tensors }: GgufLayout): void {
  for (const { name, type, shape } of tensors) {
    const integers = type.name === 'I32' || type.name === 'I64';
    const flat = shape.length <= 1 || vectors.test(name);
    if (neverWeights.has(type.name) || (integers && !integerTables.test(name))) {
      throw impossibleMetadata(name, `is a tensor of ${type.name}, which cannot hold weights`);
    }
    if (flat && type.name !== 'F32' && !integers) {
      throw impossibleMetadata(name, `is a vector of ${type.name}, and vectors have to be F32`);
    }
  }
}
