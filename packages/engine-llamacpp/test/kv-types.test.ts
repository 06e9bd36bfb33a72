import { createEngine, type Engine } from '@mobillm/core';
import { rejection } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, type KvCacheType, type LlamaCppOpenOptions } from '../src/index.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';

/** Bytes of 32 cached numbers, and how far a log-probability may be from that of an F32 cache. */
const formats: Readonly<Record<KvCacheType, readonly [bytes: number, tolerance: number]>> = {
  f32: [128, 1e-6],
  f16: [64, 0.02],
  bf16: [64, 0.1],
  q8_0: [34, 0.1],
  q5_1: [24, 0.8],
  q5_0: [22, 0.8],
  q4_1: [20, 1.5],
  q4_0: [18, 1.5],
  iq4_nl: [18, 1.5],
};

const folder = temporaryFolder();
const prompt = 'The capital of France is Paris. The capital of Italy is';

describe('the number format of a cache', () => {
  let engine: Engine;
  let exact: number | undefined;
  beforeAll(async () => {
    engine = createEngine(await createLlamaCppDriver());
  });
  afterAll(() => engine.close());

  const options = (engineOptions: LlamaCppOpenOptions) => ({
    contextTokens: 512,
    sequences: 2,
    engineOptions: { batchTokens: 64, ...engineOptions },
  });

  /** Log-probability of an answer that the F32 cache is sure of. */
  const rome = async (type: KvCacheType): Promise<number> => {
    const model = await engine.open(defaultModelPath, {
      ...options({ keyType: type, valueType: type, flashAttention: 'on' }),
      threads: 1,
    });
    const { logprobs } = await model.generate({
      prompt,
      maxTokens: 1,
      temperature: 0,
      logprobs: 20,
    });
    const token = model.tokenizer.encode(' Rome')[0];
    const found = logprobs?.[0]?.top.find((row) => row.token === token);
    expect(model.placement).toMatchObject({ keyType: type, valueType: type });
    await model.close();
    return found?.logprob ?? -Infinity;
  };

  it.each(Object.keys(formats) as KvCacheType[])(
    '%s holds what a model needs, in its size',
    async (type) => {
      const [bytes, tolerance] = formats[type];
      exact ??= await rome('f32');
      expect(Math.abs((await rome(type)) - exact)).toBeLessThanOrEqual(tolerance);
      const { items, method } = await engine.estimate(
        defaultModelPath,
        options({ keyType: type, valueType: type }),
      );
      expect(method).toBe('exact');
      // 30 layers of 3 heads of 64 numbers, keys and values. The library tells hundredths of a MiB.
      const expected = 512 * 30 * 2 * 3 * 64 * (bytes / 32);
      const told = items.find((item) => item.purpose === 'kv-cache')!.bytes;
      expect(told).toBeGreaterThanOrEqual(expected);
      expect(told - expected).toBeLessThan(2 ** 16);
    },
  );

  it('is refused where the heads do not fit it, or flash attention is off', async () => {
    const tiny = await writeTinyModel(folder);
    for (const own of [
      { keyType: 'q4_0', flashAttention: 'off' },
      { keyType: 'q8_0', flashAttention: 'on' },
      { valueType: 'iq4_nl' },
    ] as const) {
      for (const call of [
        () => engine.open(tiny, options(own)),
        () => engine.estimate(tiny, options(own)),
      ]) {
        expect(await rejection(call())).toMatchObject({
          code: 'UNSUPPORTED',
          details: { headLength: 16 },
        });
      }
    }
    const off = options({ valueType: 'q4_0', flashAttention: 'off' });
    expect(await rejection(engine.open(defaultModelPath, off))).toMatchObject({
      code: 'UNSUPPORTED',
    });
  });
});
