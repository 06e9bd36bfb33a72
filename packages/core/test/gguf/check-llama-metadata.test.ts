import { describe, expect, it } from 'vitest';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { writeGguf, type GgufWriterValue } from '../../src/testing/gguf-writer.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { memorySource } from './memory-source.js';

type Metadata = Record<string, GgufWriterValue | undefined>;

const validate = (metadata: Metadata) =>
  validateGguf(memorySource(tinyLlamaGguf({ metadata })).source);
const u32 = (value: number) => ({ type: 'uint32', value }) as const;
const f32 = (value: number) => ({ type: 'float32', value }) as const;
const perLayer = (...value: number[]) => ({ type: 'array', elementType: 'uint32', value }) as const;
const key = (name: string) => `tokenizer.ggml.${name}`;
const experts = (count: number, used: number, groups = 0, usedGroups = 0): Metadata => ({
  'llama.expert_count': u32(count),
  'llama.expert_used_count': u32(used),
  'llama.expert_group_count': u32(groups),
  'llama.expert_group_used_count': u32(usedGroups),
});
/** The tiny model as an architecture with a state of 128 numbers, or what else its entries say. */
const stateful = (architecture: string, entries: Readonly<Record<string, number>>): Metadata => {
  const all = {
    embedding_length: 64,
    'attention.head_count': 4,
    'ssm.inner_size': 128,
    ...entries,
  };
  return {
    'general.architecture': architecture,
    ...Object.fromEntries(
      Object.entries(all).map(([name, value]) => [`${architecture}.${name}`, u32(value)]),
    ),
  };
};
const tokens = (...last: string[]) => [
  ...Array.from({ length: 267 - last.length }, (_, index) => `t${index}`),
  ...last,
];

describe('metadata that ends a process in llama.cpp is refused', () => {
  it.each<[string, string, Metadata]>([
    ['no layers', 'llama.block_count', { 'llama.block_count': u32(0) }],
    ['513 layers', 'llama.block_count', { 'llama.block_count': u32(513) }],
    [
      'more predicted layers than layers',
      'llama.nextn_predict_layers',
      { 'llama.nextn_predict_layers': u32(3) },
    ],
    ['more experts used than there are', 'llama.expert_used_count', experts(2, 3)],
    ['experts of which none is used', 'llama.expert_used_count', experts(2, 0)],
    ['used experts without experts', 'llama.expert_used_count', experts(0, 1)],
    [
      'used experts that are negative',
      'llama.expert_used_count',
      { 'llama.expert_used_count': { type: 'array', elementType: 'int32', value: [-1, -1] } },
    ],
    ['1025 experts', 'llama.expert_count', experts(1025, 1)],
    ['groups without experts', 'llama.expert_group_count', experts(0, 0, 1)],
    ['as many groups as experts', 'llama.expert_group_count', experts(4, 2, 4, 1)],
    ['groups that do not divide', 'llama.expert_group_count', experts(4, 2, 3, 1)],
    ['no used groups', 'llama.expert_group_used_count', experts(4, 2, 2, 0)],
    ['all groups used', 'llama.expert_group_used_count', experts(4, 2, 2, 2)],
    ['no heads', 'llama.attention.head_count', { 'llama.attention.head_count': u32(0) }],
    [
      'no heads in any layer',
      'llama.attention.head_count',
      { 'llama.attention.head_count': perLayer(0, 0) },
    ],
    [
      'key heads that do not divide',
      'llama.attention.head_count',
      { 'llama.attention.head_count_kv': u32(3) },
    ],
    ['no embedding', 'llama.embedding_length', { 'llama.embedding_length': u32(0) }],
    [
      'values of another length than keys',
      'llama.attention.value_length',
      { 'llama.attention.value_length': u32(8) },
    ],
    [
      'rotation of a part of the head',
      'llama.rope.dimension_count',
      { 'llama.rope.dimension_count': u32(8) },
    ],
    [
      'an odd rotation',
      'llama.rope.dimension_count',
      {
        'llama.rope.dimension_count': u32(15),
        'llama.attention.key_length': u32(15),
        'llama.attention.value_length': u32(15),
      },
    ],
    [
      'a negative epsilon',
      'llama.attention.layer_norm_rms_epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': f32(-1) },
    ],
    [
      'an epsilon that is no number',
      'llama.attention.layer_norm_rms_epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': f32(NaN) },
    ],
    ['an unknown rope scaling', 'llama.rope.scaling.type', { 'llama.rope.scaling.type': 'bogus' }],
    ['no vocabulary', key('model'), { [key('model')]: 'none' }],
    ['the vocabulary of tests', key('model'), { [key('model')]: 'test' }],
    ['no tokens', key('tokens'), { [key('tokens')]: [] }],
    [
      'a first token that is none',
      key('bos_token_id'),
      { [key('model')]: 't5', [key('add_bos_token')]: true, [key('bos_token_id')]: u32(999) },
    ],
    [
      'a last token that is none',
      key('eos_token_id'),
      { [key('model')]: 'gemma4', [key('add_eos_token')]: true, [key('eos_token_id')]: undefined },
    ],
    [
      'byte tokens in a bert vocabulary',
      key('token_type'),
      {
        [key('model')]: 'bert',
        [key('token_type')]: {
          type: 'array',
          elementType: 'int32',
          value: new Array<number>(267).fill(6),
        },
      },
    ],
    [
      'an RWKV vocabulary without bytes',
      key('tokens'),
      { [key('model')]: 'rwkv', [key('tokens')]: tokens('ab') },
    ],
    [
      'no heads, in a file that calls itself a part of none',
      'llama.attention.head_count',
      {
        'split.no': { type: 'uint16', value: 1 },
        'split.count': { type: 'uint16', value: 1 },
        'llama.attention.head_count': u32(0),
      },
    ],
    [
      'no layers between those with attention',
      'qwen3next.full_attention_interval',
      stateful('qwen3next', { full_attention_interval: 0 }),
    ],
    ['no heads of a state', 'rwkv6.wkv.head_size', stateful('rwkv6', { 'wkv.head_size': 0 })],
    [
      'no groups of a state',
      'mamba2.ssm.group_count',
      stateful('mamba2', { 'ssm.group_count': 0 }),
    ],
    [
      'heads that do not divide a state',
      'falcon-h1.ssm.time_step_rank',
      stateful('falcon-h1', { 'ssm.time_step_rank': 5 }),
    ],
    [
      'groups that do not divide the heads of a state',
      'qwen35.ssm.time_step_rank',
      stateful('qwen35', { 'ssm.time_step_rank': 4, 'ssm.group_count': 8 }),
    ],
    [
      'a state that is not twice the embedding',
      'jamba.ssm.inner_size',
      stateful('jamba', { 'ssm.inner_size': 64 }),
    ],
    [
      'no layers between those with experts',
      'ernie4_5-moe.interleave_moe_layer_step',
      stateful('ernie4_5-moe', {
        interleave_moe_layer_step: 0,
        expert_count: 4,
        expert_used_count: 2,
      }),
    ],
    ['no sections of a position', 'paddleocr.rope.dimension_sections', stateful('paddleocr', {})],
    [
      'empty sections of a position',
      'qwen2vl.rope.dimension_sections',
      {
        ...stateful('qwen2vl', {}),
        'qwen2vl.rope.dimension_sections': {
          type: 'array',
          elementType: 'int32',
          value: [0, -1, 0, 8],
        },
      },
    ],
  ])('%s', async (_, at, metadata) => {
    await expect(validate(metadata)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      details: { key: at },
    });
  });

  it.each<[string, string[]]>([
    ['the same', ['same', 'same']],
    ['the same up to a zero', ['same\0a', 'same\0b']],
    ['an empty one and the name that it gets', ['[EMPTY_266]', '']],
    ['two that begin with a zero', ['[EMPTY_266]', '\0']],
  ])('two tokens that are %s', async (_, last) => {
    await expect(validate({ [key('tokens')]: tokens(...last) })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('two tokens of the vocabulary') as string,
    });
  });

  it.each([
    ['blk.0.attn_norm.weight', 'F16', [64]],
    ['blk.0.attn_q.bias', 'F16', [64]],
    ['rope_freqs.weight', 'I32', [8]],
    ['token_embd.weight', 'I8', [64, 267]],
    ['token_embd.weight', 'Q8_1', [64, 267]],
    ['blk.0.ffn_up.weight', 'F64', [64, 128]],
    ['output.weight', 'I64', [64, 267]],
  ])('a tensor %s of %s', async (name, type, shape) => {
    const bytes = writeGguf({
      metadata: { 'general.architecture': 'llama' },
      tensors: [{ name, type, shape, data: new Uint8Array(64 * 267 * 8) }],
    });
    await expect(validateGguf(memorySource(bytes).source)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      details: { key: name },
    });
  });
});

it('splitting at white space alone, which llama.cpp fails at, is MODEL_UNSUPPORTED', async () => {
  await expect(validate({ [key('pre')]: 'whitespace' })).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    details: { key: key('pre') },
  });
});

it('a state that fits its heads and groups is taken', async () => {
  const layout = await validate(
    stateful('qwen3next', { 'ssm.time_step_rank': 8, 'ssm.group_count': 4 }),
  );
  expect(layout.tensors).toHaveLength(21);
});

/** The tiny model as another architecture, with one use of experts and none to use. */
const usedWithout = (architecture: string, expertCount?: number): Metadata => ({
  'general.architecture': architecture,
  ...Object.fromEntries(
    ['block_count', 'embedding_length', 'attention.head_count'].map((name, index) => [
      `${architecture}.${name}`,
      u32([2, 64, 4][index] ?? 0),
    ]),
  ),
  [`${architecture}.expert_used_count`]: u32(32),
  [`${architecture}.expert_count`]: expertCount === undefined ? undefined : u32(expertCount),
});

describe('experts that are used and not there', () => {
  it.each([
    ['hunyuan-moe', undefined],
    ['hunyuan-moe', 1],
    ['hunyuan', undefined],
    ['hunyuan-dense', 2],
    ['hunyuan_vl', 2],
  ])('in %s with %s experts are refused', async (architecture, expertCount) => {
    await expect(validate(usedWithout(architecture, expertCount))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      details: { key: `${architecture}.expert_used_count` },
    });
  });

  it.each([
    ['hunyuan-dense', undefined],
    ['hunyuan-dense', 1],
    ['hunyuan_vl', 0],
  ])('in %s with %s experts are what llama.cpp forgets itself', async (architecture, count) => {
    expect((await validate(usedWithout(architecture, count))).tensors).toHaveLength(21);
  });
});

describe('an alignment that llama.cpp cannot map', () => {
  const file = (alignment: number, metadata: Metadata = {}) =>
    writeGguf({
      alignment,
      metadata: { 'general.architecture': 'llama', ...metadata },
      tensors: [{ name: 'output.weight', type: 'F32', shape: [2, 2], data: new Uint8Array(16) }],
    });

  it.each([1, 8, 16])('of %i bytes is legal and MODEL_UNSUPPORTED', async (alignment) => {
    await expect(validateGguf(memorySource(file(alignment)).source)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message:
        `This GGUF file aligns its tensors to ${alignment} bytes. That is legal, but llama.cpp supports ` +
        'multiples of 32 alone. Convert the model again without "general.alignment".',
      details: { key: 'general.alignment', alignment },
    });
  });

  it('is found in every part of a split model', async () => {
    const part = file(8, { 'split.no': { type: 'uint16', value: 1 } });
    await expect(validateGguf(memorySource(part).source)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { key: 'general.alignment' },
    });
  });

  it.each([32, 64, 4096])('is not one of %i bytes', async (alignment) => {
    const layout = await validateGguf(memorySource(file(alignment)).source);
    expect(layout).toMatchObject({ alignment, tensors: [{ byteLength: 16 }] });
    expect(layout.dataOffset % alignment).toBe(0);
  });

  it('does not matter in a projector, which is read and not mapped', async () => {
    const projector = file(8, { 'general.architecture': 'clip' });
    expect(await validateGguf(memorySource(projector).source)).toMatchObject({ alignment: 8 });
  });
});

describe('what is unusual and sound is accepted', () => {
  it.each<[string, Metadata]>([
    [
      'heads by layer',
      {
        'llama.attention.head_count': perLayer(4, 4),
        'llama.attention.head_count_kv': perLayer(2, 4),
      },
    ],
    ['layers without attention', { 'llama.attention.head_count_kv': perLayer(0, 2) }],
    ['experts in groups', experts(4, 2, 2, 1)],
    ['an architecture nobody knows', { 'general.architecture': 'bogus' }],
    [
      'a state-space model without heads',
      { 'general.architecture': 'mamba', 'mamba.attention.head_count': u32(0) },
    ],
    ['an empty token', { [key('tokens')]: tokens('') }],
    ['no tokenizer at all', { [key('model')]: undefined }],
    ['rope scaling', { 'llama.rope.scaling.type': 'yarn' }],
  ])('%s', async (_, metadata) => {
    expect((await validate(metadata)).tensors).toHaveLength(21);
  });

  it('a projector is left to the code that loads it', async () => {
    const bytes = writeGguf({
      metadata: { 'general.architecture': 'clip' },
      tensors: [{ name: 'v.norm.bias', type: 'F16', shape: [4], data: new Uint8Array(8) }],
    });
    expect((await validateGguf(memorySource(bytes).source)).tensors).toHaveLength(1);
  });
});
