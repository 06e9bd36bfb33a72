import { describe, expect, it } from 'vitest';
import { readLlamaParameters } from '../../src/gguf/read-llama-parameters.js';
import type { GgufLayout } from '../../src/gguf/gguf-layout.js';
import { ggmlTypes } from '../../src/gguf/ggml-types.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { tinyLlamaGguf, type TinyLlamaOptions } from '../../src/testing/tiny-llama.js';
import { memorySource } from './memory-source.js';

const layoutOf = async (metadata: TinyLlamaOptions['metadata'] = {}): Promise<GgufLayout> =>
  validateGguf(memorySource(tinyLlamaGguf({ metadata })).source);
const u32 = (value: number) => ({ type: 'uint32', value }) as const;
const f32 = (value: number) => ({ type: 'float32', value }) as const;

describe('a plain Llama model', () => {
  it('has its parameters and tensors by role', async () => {
    const { tensors, ...numbers } = readLlamaParameters(await layoutOf());
    expect(numbers).toEqual({
      architecture: 'llama',
      layers: 2,
      embeddingLength: 64,
      feedForwardLength: 128,
      heads: 4,
      kvHeads: 2,
      headLength: 16,
      vocabularySize: 267,
      rmsEpsilon: Math.fround(1e-5),
      ropeBase: 10_000,
      ropeScale: 1,
      ropePairing: 'interleaved',
      trainedContextTokens: 2048,
      tiedEmbedding: false,
    });
    expect(tensors.tokenEmbedding.name).toBe('token_embd.weight');
    expect(tensors.output.name).toBe('output.weight');
    expect(tensors.layers.map(({ key }) => [key.name, key.shape])).toEqual([
      ['blk.0.attn_k.weight', [64, 32]],
      ['blk.1.attn_k.weight', [64, 32]],
    ]);
    expect(tensors.layers[1]?.down.shape).toEqual([128, 64]);
  });

  it('may share the embedding with the output', async () => {
    const layout = await layoutOf();
    const tensors = layout.tensors.filter(({ name }) => name !== 'output.weight');
    const parameters = readLlamaParameters({ ...layout, tensors });
    expect(parameters.tiedEmbedding).toBe(true);
    expect(parameters.tensors.output).toBe(parameters.tensors.tokenEmbedding);
  });

  it('may scale positions linearly', async () => {
    const scaled = { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': f32(4) };
    expect(readLlamaParameters(await layoutOf(scaled)).ropeScale).toBe(0.25);
    const none = { ...scaled, 'llama.rope.scaling.type': 'none' };
    expect(readLlamaParameters(await layoutOf(none)).ropeScale).toBe(1);
  });

  it('may say a number for every layer, as long as it is one', async () => {
    const each = (...value: number[]) => ({ type: 'array', elementType: 'uint32', value }) as const;
    const same = await layoutOf({ 'llama.feed_forward_length': each(128, 128) });
    expect(readLlamaParameters(same).feedForwardLength).toBe(128);
    const different = await layoutOf({ 'llama.feed_forward_length': each(128, 64) });
    expect(() => readLlamaParameters(different)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }),
    );
  });
});

describe('MODEL_UNSUPPORTED, naming it, for', () => {
  it.each<[string, TinyLlamaOptions['metadata'], object]>([
    ['another architecture', { 'general.architecture': 'qwen2' }, { key: 'general.architecture' }],
    [
      'experts',
      { 'llama.expert_count': u32(8), 'llama.expert_used_count': u32(2) },
      { key: 'llama.expert_count' },
    ],
    [
      'a sliding window',
      { 'llama.attention.sliding_window': u32(512) },
      { key: 'llama.attention.sliding_window' },
    ],
    ['scaled residuals', { 'llama.residual_scale': f32(0.5) }, { key: 'llama.residual_scale' }],
    ['YaRN', { 'llama.rope.scaling.type': 'yarn' }, { key: 'llama.rope.scaling.type' }],
  ])('%s', async (_, metadata, details) => {
    const layout = await layoutOf(metadata);
    expect(() => readLlamaParameters(layout)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', details }),
    );
  });

  it.each(['rope_freqs.weight', 'blk.0.attn_q.bias', 'blk.1.ffn_gate_inp.weight'])(
    'the tensor %s',
    async (name) => {
      const layout = await layoutOf();
      const tensors = [...layout.tensors, { ...layout.tensors[0]!, name }];
      expect(() => readLlamaParameters({ ...layout, tensors })).toThrow(
        expect.objectContaining({ code: 'MODEL_UNSUPPORTED', details: { tensor: name } }),
      );
    },
  );

  it('weights that only a grid can tell', async () => {
    const layout = await layoutOf();
    const tensors = layout.tensors.map((tensor) =>
      tensor.name === 'blk.0.attn_q.weight' ? { ...tensor, type: ggmlTypes.get(16)! } : tensor,
    );
    expect(() => readLlamaParameters({ ...layout, tensors })).toThrow(
      expect.objectContaining({
        code: 'MODEL_UNSUPPORTED',
        details: { tensor: 'blk.0.attn_q.weight' },
      }),
    );
  });
});

describe('MODEL_INVALID, naming it, for', () => {
  it.each<[string, TinyLlamaOptions['metadata']]>([
    ['llama.block_count', { 'llama.block_count': undefined }],
    [
      'llama.attention.layer_norm_rms_epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': f32(0) },
    ],
    ['llama.rope.freq_base', { 'llama.rope.freq_base': f32(-1) }],
    ['llama.rope.freq_base', { 'llama.rope.freq_base': f32(NaN) }],
    ['llama.context_length', { 'llama.context_length': u32(0) }],
    ['llama.feed_forward_length', { 'llama.feed_forward_length': u32(0xffff_ffff) }],
    ['llama.embedding_length', { 'llama.embedding_length': 'many' }],
    ['blk.0.ffn_gate.weight', { 'llama.feed_forward_length': u32(64) }],
    ['blk.0.attn_k.weight', { 'llama.attention.head_count_kv': u32(4) }],
    ['blk.2.attn_norm.weight', { 'llama.block_count': u32(3) }],
  ])('%s', async (key, metadata) => {
    const layout = await layoutOf(metadata);
    expect(() => readLlamaParameters(layout)).toThrow(
      expect.objectContaining({
        code: 'MODEL_INVALID',
        details: expect.objectContaining({ key }) as unknown,
      }),
    );
  });

  it('tensors of a layer too many', async () => {
    const layout = await layoutOf({ 'llama.block_count': u32(1) });
    expect(() => readLlamaParameters(layout)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }),
    );
  });

  it('a vocabulary of another size than the embedding', async () => {
    const layout = await layoutOf();
    const tensors = layout.tensors.map((tensor) =>
      /token_embd|^output\./.test(tensor.name) ? { ...tensor, shape: [64, 300] } : tensor,
    );
    expect(() => readLlamaParameters({ ...layout, tensors })).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });
});
