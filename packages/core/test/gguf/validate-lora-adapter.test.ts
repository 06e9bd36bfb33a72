import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { ggmlTypes } from '../../src/gguf/ggml-types.js';
import type { GgufTensor } from '../../src/gguf/gguf-layout.js';
import { type LoraBase, validateLoraAdapter } from '../../src/gguf/validate-lora-adapter.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import type { ByteSource } from '../../src/platform/platform.js';
import {
  type GgufWriterTensor,
  loraGguf,
  type LoraGgufOptions,
  tinyLlamaGguf,
  writeGguf,
} from '../../src/testing/index.js';

function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    byteLength: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
    close: () => Promise.resolve(),
  };
}

const { tensors } = await validateGguf(sourceOf(tinyLlamaGguf()));
const base: LoraBase = { architecture: 'llama', tensors };
const check = (bytes: Uint8Array, of = base) => validateLoraAdapter(sourceOf(bytes), of);
const random = (options: Omit<LoraGgufOptions, 'tensors'> = {}) =>
  loraGguf({ tensors, ...options });
const matrix = (name: string, shape: readonly number[], type = 'F32'): GgufWriterTensor => {
  const numbers = shape.reduce((product, extent) => product * extent, 1);
  const format = [...ggmlTypes.values()].find((item) => item.name === type)!;
  const bytes = (numbers / format.blockElements) * format.blockBytes;
  return { name, type, shape, data: new Uint8Array(bytes) };
};
const metadata = {
  'general.type': 'adapter',
  'general.architecture': 'llama',
  'adapter.type': 'lora',
};
const refusal = async (written: readonly GgufWriterTensor[], of = base) => {
  try {
    await check(writeGguf({ metadata, tensors: written }), of);
  } catch (error) {
    return MobillmError.is(error) ? [error.code, error.details['key']] : error;
  }
  return undefined;
};
const q = 'blk.0.attn_q.weight';

describe('an adapter that fits its model', () => {
  it('is read with its pairs', async () => {
    const { bytes } = random({ rank: 3, alpha: 6 });
    const adapter = await check(bytes);
    expect(adapter).toMatchObject({ name: 'Random LoRA', rank: 3, alpha: 6 });
    expect(adapter.pairs).toHaveLength(14);
    expect(adapter.pairs[0]).toMatchObject({
      name: q,
      a: { shape: [64, 3] },
      b: { shape: [3, 64] },
    });
  });

  it('may have ranks that differ from pair to pair, formats of 16 and 8 bits, and no alpha', async () => {
    const written = [
      ...[matrix(`${q}.lora_a`, [64, 2], 'F16'), matrix(`${q}.lora_b`, [2, 64], 'BF16')],
      ...[matrix('output.weight.lora_a', [64, 32], 'Q8_0')],
      ...[matrix('output.weight.lora_b', [32, tensors.at(-1)!.shape[1]!], 'Q8_0')],
    ];
    const adapter = await check(writeGguf({ metadata, tensors: written }));
    expect(adapter).toMatchObject({ rank: 32, alpha: undefined });
  });

  it('may change experts, each by its own matrices', async () => {
    const experts = {
      name: 'blk.0.ffn_up_exps.weight',
      shape: [64, 128, 8],
      type: ggmlTypes.get(0)!,
    };
    const moe = { architecture: 'llama', tensors: [experts] };
    const [a, b] = [
      [64, 4, 8],
      [4, 128, 8],
    ] as const;
    const pair = (first: readonly number[], second: readonly number[]) => [
      matrix(`${experts.name}.lora_a`, first),
      matrix(`${experts.name}.lora_b`, second),
    ];
    expect(await refusal(pair(a, b), moe)).toBeUndefined();
    expect(await refusal(pair([64, 4], b), moe)).toEqual([
      'MODEL_UNSUPPORTED',
      'blk.0.ffn_up_exps.weight.lora_a',
    ]);
    expect(await refusal(pair(a, [4, 128, 7]), moe)).toEqual([
      'MODEL_UNSUPPORTED',
      'blk.0.ffn_up_exps.weight.lora_b',
    ]);
  });
});

describe('an adapter is refused', () => {
  const a = matrix(`${q}.lora_a`, [64, 4]);
  const b = matrix(`${q}.lora_b`, [4, 64]);
  it.each<[string, readonly GgufWriterTensor[], readonly [string, string]]>([
    ['without any pair', [], ['MODEL_INVALID', 'tensors']],
    ['with half a pair', [a], ['MODEL_INVALID', `${q}.lora_b`]],
    [
      'with trained norms',
      [a, b, matrix('output_norm.weight', [64])],
      ['MODEL_UNSUPPORTED', 'output_norm.weight'],
    ],
    ['with other tensors', [a, b, matrix(q, [64, 64])], ['MODEL_UNSUPPORTED', q]],
    [
      'whose ranks disagree',
      [a, matrix(`${q}.lora_b`, [5, 64])],
      ['MODEL_UNSUPPORTED', `${q}.lora_a`],
    ],
    [
      'that is not transposed',
      [matrix(`${q}.lora_a`, [4, 64]), b],
      ['MODEL_UNSUPPORTED', `${q}.lora_a`],
    ],
    [
      'of another height',
      [a, matrix(`${q}.lora_b`, [4, 65])],
      ['MODEL_UNSUPPORTED', `${q}.lora_b`],
    ],
    ['of more depth', [matrix(`${q}.lora_a`, [64, 4, 2]), b], ['MODEL_UNSUPPORTED', `${q}.lora_a`]],
    [
      'of what the model lacks',
      [
        matrix('blk.9.attn_q.weight.lora_a', [64, 4]),
        matrix('blk.9.attn_q.weight.lora_b', [4, 64]),
      ],
      ['MODEL_UNSUPPORTED', 'blk.9.attn_q.weight.lora_a'],
    ],
    [
      'of a vector',
      [matrix('output_norm.weight.lora_a', [64, 1]), matrix('output_norm.weight.lora_b', [1, 1])],
      ['MODEL_UNSUPPORTED', 'output_norm.weight.lora_a'],
    ],
    [
      'of few bits',
      [matrix(`${q}.lora_a`, [64, 4], 'Q4_0'), b],
      ['MODEL_UNSUPPORTED', `${q}.lora_a`],
    ],
    [
      'named twice over',
      [matrix(`${q}.lora_a.lora_a`, [64, 4]), b],
      ['MODEL_UNSUPPORTED', `${q}.lora_a.lora_a`],
    ],
  ])('%s', async (_, written, expected) => {
    expect(await refusal(written)).toEqual(expected);
  });

  it('of embeddings, where the model scores tokens by them', async () => {
    const { bytes } = random({ changes: (name) => name === 'token_embd.weight' });
    await expect(check(bytes)).resolves.toMatchObject({ rank: 4 });
    const tied = { ...base, tensors: tensors.filter(({ name }) => name !== 'output.weight') };
    await expect(check(bytes, tied)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { key: 'token_embd.weight.lora_a' },
    });
  });

  it('of weights in a format that takes none', async () => {
    const nvfp4 = [...ggmlTypes.values()].find(({ name }) => name === 'NVFP4')!;
    const altered = tensors.map((tensor): GgufTensor => ({ ...tensor, type: nvfp4 }));
    await expect(check(random().bytes, { ...base, tensors: altered })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
  });

  it('that is a model, and a model that is an adapter', async () => {
    await expect(check(tinyLlamaGguf())).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      details: { key: 'general.type' },
    });
  });

  it('or read, wherever one is broken', async () => {
    const { bytes } = random({ rank: 2 });
    const headerBytes = 3072;
    let state = 1;
    const draw = (end: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % end;
    };
    const codes = new Map<string, number>();
    for (let count = 0; count < 1500; count++) {
      const altered = bytes.slice(0, count % 5 === 4 ? draw(bytes.length) : bytes.length);
      for (let left = 1 + draw(4); left > 0; left--) altered[draw(headerBytes)] = draw(256);
      const code = await check(altered).then(
        () => 'read',
        (error: unknown) => (MobillmError.is(error) ? error.code : String(error)),
      );
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    const allowed = ['read', 'MODEL_INVALID', 'MODEL_UNSUPPORTED'];
    expect([...codes.keys()].filter((code) => !allowed.includes(code))).toEqual([]);
    expect(codes.get('MODEL_UNSUPPORTED')).toBeGreaterThan(5);
  });
});
