import { MobillmError } from '../errors/mobillm-error.js';
import { impossibleMetadata } from './gguf-errors.js';
import type { GgufLayout, GgufTensor } from './gguf-layout.js';
import type { LlamaParameters, LlamaTensors } from './llama-parameters.js';

/** Number formats that `mobillm/gguf/dequantize.hpp` reads. */
const readableTypes = new Set(
  (
    'F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 ' +
    'MXFP4'
  ).split(' '),
);

/** Bounds that keep products of two counts far within safe integers. */
const maxCount = 2 ** 24;
const maxLayers = 512;

/**
 * Reads the parameters of a plain Llama model: RMS norms, rotary attention with grouped heads, gated
 * SiLU networks, no biases, no experts.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` for whatever goes beyond that, with `details.key` or
 * `details.tensor`; `MODEL_INVALID` when a number is missing or impossible, or a tensor's shape
 * contradicts it.
 */
export function readLlamaParameters(layout: GgufLayout): LlamaParameters {
  const architecture = layout.metadata.get('general.architecture')?.value;
  if (architecture !== 'llama') {
    throw unsupported(
      `the architecture "${String(architecture)}"`,
      { key: 'general.architecture' },
      'Only "llama" can be compiled.',
    );
  }
  const keys = new LlamaKeys(layout);
  keys.refuseExtensions();
  const layers = keys.count('block_count', maxLayers);
  const embeddingLength = keys.count('embedding_length');
  const heads = keys.count('attention.head_count');
  const kvHeads = keys.count('attention.head_count_kv', heads, heads);
  if (heads % kvHeads !== 0) keys.fail('attention.head_count_kv', `does not divide ${heads} heads`);
  const headLength = keys.count('attention.key_length', maxCount, embeddingLength / heads);
  if (headLength % 2 !== 0)
    keys.fail('attention.key_length', `is ${headLength}, and has to be even`);
  keys.same('attention.value_length', headLength, 'values and keys of different lengths');
  keys.same('rope.dimension_count', headLength, 'a rotation of a part of each head');
  const numbers = {
    layers,
    embeddingLength,
    feedForwardLength: keys.count('feed_forward_length'),
    heads,
    kvHeads,
    headLength,
    rmsEpsilon: keys.positive('attention.layer_norm_rms_epsilon'),
    ropeBase: keys.positive('rope.freq_base', 10_000),
    ropeScale: keys.ropeScale(),
    trainedContextTokens: keys.count('context_length', 2 ** 31 - 1),
  };
  const { tensors, tiedEmbedding } = findTensors(layout, numbers);
  const vocabularySize = tensors.tokenEmbedding.shape[1] ?? 0;
  const tokens = layout.metadata.get('tokenizer.ggml.tokens')?.elementCount ?? vocabularySize;
  if (tokens !== vocabularySize) {
    throw impossibleMetadata(
      'tokenizer.ggml.tokens',
      `has ${tokens} tokens where the embedding has ${vocabularySize}`,
    );
  }
  return {
    architecture,
    ...numbers,
    vocabularySize,
    ropePairing: 'interleaved',
    tiedEmbedding,
    tensors,
  };
}

/** The entries of the architecture `llama`. */
class LlamaKeys {
  constructor(private readonly layout: GgufLayout) {}

  /** A whole number from 1 to `max`; `missing` where there is no entry. */
  count(name: string, max = maxCount, missing?: number): number {
    const value = this.number(name) ?? missing;
    if (value === undefined) this.fail(name, 'is missing');
    if (!Number.isInteger(value) || value < 1 || value > max) {
      this.fail(name, `is ${value}, and it has to be from 1 to ${max}`);
    }
    return value;
  }

  positive(name: string, missing?: number): number {
    const value = this.number(name) ?? missing;
    if (value === undefined) this.fail(name, 'is missing');
    if (!(value > 0 && value < Infinity)) {
      this.fail(name, `is ${value}, and it has to be a number above 0`);
    }
    return value;
  }

  /** Refuses an entry that says another number. */
  same(name: string, expected: number, otherwise: string): void {
    const value = this.number(name) ?? expected;
    if (value !== expected) throw unsupported(otherwise, { key: `llama.${name}` });
  }

  ropeScale(): number {
    const type = this.layout.metadata.get('llama.rope.scaling.type')?.value ?? 'linear';
    const old = this.number('rope.scale_linear');
    if (type === 'none') return 1;
    if (type !== 'linear') {
      throw unsupported(`rope scaling of the type "${String(type)}"`, {
        key: 'llama.rope.scaling.type',
      });
    }
    const factor = this.positive('rope.scaling.factor', old === undefined || old === 0 ? 1 : old);
    return 1 / factor;
  }

  refuseExtensions(): void {
    for (const name of [
      'expert_count',
      'expert_used_count',
      'attention.sliding_window',
      'nextn_predict_layers',
    ]) {
      this.same(name, 0, `"llama.${name}"`);
    }
    for (const name of ['residual_scale', 'embedding_scale', 'logit_scale', 'attention.scale']) {
      // Left out or 1 (0 for some) for none.
      const value = this.number(name) ?? 0;
      if (value !== 0 && value !== 1)
        throw unsupported(`"llama.${name}"`, { key: `llama.${name}` });
    }
  }

  fail(name: string, what: string): never {
    throw impossibleMetadata(`llama.${name}`, what);
  }

  private number(name: string): number | undefined {
    const entry = this.layout.metadata.get(`llama.${name}`);
    if (entry === undefined) return undefined;
    // Some converters write one number for each layer even where all are the same.
    const all = entry.elements ?? (entry.value === undefined ? [] : [entry.value]);
    const [first, ...others] = all;
    if (typeof first !== 'number') this.fail(name, 'is no number');
    if (others.some((other) => other !== first)) {
      throw unsupported(`"llama.${name}" that differs between layers`, { key: `llama.${name}` });
    }
    return first;
  }
}

type Sizes = Pick<
  LlamaParameters,
  'layers' | 'embeddingLength' | 'feedForwardLength' | 'heads' | 'kvHeads' | 'headLength'
>;

function findTensors(
  layout: GgufLayout,
  sizes: Sizes,
): { readonly tensors: LlamaTensors; readonly tiedEmbedding: boolean } {
  const unused = new Map(layout.tensors.map((tensor) => [tensor.name, tensor]));
  const take = (name: string, shape: readonly (number | undefined)[]): GgufTensor => {
    const tensor = unused.get(`${name}.weight`);
    if (tensor === undefined) throw impossibleMetadata(`${name}.weight`, 'is missing');
    const expected = shape.map((extent, i) => extent ?? tensor.shape[i] ?? 0);
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== expected[i])) {
      throw impossibleMetadata(
        tensor.name,
        `has the shape ${tensor.shape.join(' × ')} where the parameters say ${expected.join(' × ')}`,
      );
    }
    if (!readableTypes.has(tensor.type.name)) {
      throw unsupported(
        `weights in the format ${tensor.type.name}`,
        { tensor: tensor.name },
        'Compile from a conversion to F16, Q8_0 or Q4_K.',
      );
    }
    unused.delete(tensor.name);
    return tensor;
  };
  const { embeddingLength, feedForwardLength } = sizes;
  const queryLength = sizes.heads * sizes.headLength;
  const kvLength = sizes.kvHeads * sizes.headLength;
  const tokenEmbedding = take('token_embd', [embeddingLength, undefined]);
  const tiedEmbedding = !unused.has('output.weight');
  const tensors: LlamaTensors = {
    tokenEmbedding,
    outputNorm: take('output_norm', [embeddingLength]),
    output: tiedEmbedding ? tokenEmbedding : take('output', tokenEmbedding.shape),
    layers: Array.from({ length: sizes.layers }, (_, layer) => ({
      attentionNorm: take(`blk.${layer}.attn_norm`, [embeddingLength]),
      query: take(`blk.${layer}.attn_q`, [embeddingLength, queryLength]),
      key: take(`blk.${layer}.attn_k`, [embeddingLength, kvLength]),
      value: take(`blk.${layer}.attn_v`, [embeddingLength, kvLength]),
      attentionOutput: take(`blk.${layer}.attn_output`, [queryLength, embeddingLength]),
      feedForwardNorm: take(`blk.${layer}.ffn_norm`, [embeddingLength]),
      gate: take(`blk.${layer}.ffn_gate`, [embeddingLength, feedForwardLength]),
      up: take(`blk.${layer}.ffn_up`, [embeddingLength, feedForwardLength]),
      down: take(`blk.${layer}.ffn_down`, [feedForwardLength, embeddingLength]),
    })),
  };
  // Old converters left the frequencies in, which follow from the base.
  const [extra] = [...unused.keys()].filter(
    (name) => !/rotary_emb\.inv_freq|attn_rot_embd/.test(name),
  );
  if (extra !== undefined) throw unsupported(`the tensor "${extra}"`, { tensor: extra });
  return { tensors, tiedEmbedding };
}

function unsupported(
  what: string,
  details: Readonly<Record<string, string>>,
  advice = 'Use an engine that runs GGUF files as they are.',
): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `This model has ${what}, which is beyond a plain Llama model. ${advice}`,
    { details },
  );
}
