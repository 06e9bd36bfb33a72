import { MobillmError } from '@mobillm/core';
import { describe, expect, it } from 'vitest';
import { adviseMemory, withAdvice } from '../src/memory-advice.js';

const advise = (
  engineOptions: Readonly<Record<string, unknown>>,
  shortage: Parameters<typeof adviseMemory>[1] = {},
  own: object = {},
) => adviseMemory({ contextTokens: 1024, sequences: 4, engineOptions, ...own }, shortage);

const item = (purpose: 'weights' | 'kv-cache' | 'compute' | 'output' | 'adapters') => ({
  items: [{ purpose, device: 'cpu', bytes: 1 }],
});

describe('advice where memory is short', () => {
  const small = { keyType: 'q8_0', valueType: 'q4_0' };

  it.each([
    [{}, ['"q8_0" as "valueType"']],
    [{ valueType: 'q8_0' }, []],
    [{ keyType: 'f32', valueType: 'f32' }, ['"q8_0" as "valueType"', '"f16" as "keyType"']],
    [
      { valueType: 'f32', flashAttention: 'off' },
      ['"f16" as "valueType"', '"flashAttention" that is not "off"'],
    ],
    [small, []],
    [{ ...small, poolTokens: 1024 }, []],
    [{ ...small, poolTokens: 2048 }, ['a "poolTokens" of 1024 at least']],
    [{ ...small, poolTokens: 1_000_000 }, ['a "poolTokens" of 1024 at least', 'fewer "sequences"']],
    [{ ...small, embedTokens: 100 }, ['a smaller "embedTokens"']],
    [{ ...small, flashAttention: 'off' }, ['"flashAttention" that is not "off"']],
    [{ ...small, batchTokens: 2048 }, ['a "batchTokens" of 512']],
    [{ ...small, draftModel: '/draft.gguf' }, ['no "draftModel"']],
  ])('names of %j what could be less: %j', (engineOptions, expected) => {
    expect(advise(engineOptions)).toEqual(expected);
  });

  it('names nothing that takes no memory in the place that is short', () => {
    const all = { poolTokens: 4096, batchTokens: 2048, embedTokens: 8, flashAttention: 'off' };
    expect(advise(all, item('weights'))).toEqual([]);
    expect(advise(all, item('kv-cache'))).toEqual([
      'a "poolTokens" of 1024 at least',
      'fewer "sequences"',
      'a smaller "embedTokens"',
    ]);
    expect(advise({ ...small, flashAttention: 'on' }, item('output'), { sequences: 99 })).toEqual([
      'fewer "sequences"',
    ]);
    const adapters = [{ format: 'gguf' as const, files: [] }];
    expect(advise(small, item('adapters'), { adapters })).toEqual(['fewer adapters']);
  });

  it('moves layers away from the device that is short, or to the one that is not', () => {
    const gpu = { device: 'cuda0' };
    expect(advise({ ...small, gpuLayers: 'all' }, gpu, gpu)).toEqual([
      'fewer "gpuLayers", or "auto"',
    ]);
    expect(advise({ ...small, gpuLayers: 2 }, {}, gpu)).toEqual(['more "gpuLayers", or "auto"']);
    for (const shortage of [gpu, {}]) expect(advise(small, shortage, gpu)).toEqual([]);
  });

  it('ends what the addon says, and keeps the rest of it', () => {
    const options = { contextTokens: 1024, sequences: 1, engineOptions: { ...small } };
    const details = { neededBytes: 2, availableBytes: 1 };
    const error = new MobillmError('OUT_OF_MEMORY', 'Too much.', { retryable: true, details });
    expect(withAdvice(error, options)).toMatchObject({
      code: 'OUT_OF_MEMORY',
      retryable: true,
      details,
      message:
        'Too much. Use a smaller "contextTokens", or a smaller model or a smaller quantization of it; or free memory.',
    });
    const other = new MobillmError('MODEL_INVALID', 'Broken.');
    expect(withAdvice(other, options)).toBe(other);
  });
});
