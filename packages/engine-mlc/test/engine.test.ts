import { type EngineDriver, MobillmError, type TokenBatch } from '@mobillm/core';
import { rejection, specOf, withSequence } from '@mobillm/core/testing';
import { collect } from './support/driving.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMlcDriver, createMlcEngine } from '../src/index.js';
import { compiledTinyModel, filesOf } from './support/models.js';

const path = await compiledTinyModel();
const openOptions = { contextTokens: 512, sequences: 2, threads: 1, engineOptions: {} } as const;

/** Tokens that no two neighbours of are equal. */
const tokensOf = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 11) % 256);

describe('the MLC engine', () => {
  let driver: EngineDriver;
  beforeAll(async () => {
    driver = await createMlcDriver();
  });
  afterAll(() => driver.close?.());

  it('estimates the memory by formula, growing with the context and the sequences', async () => {
    const settings = { ...openOptions, sequences: 1 };
    const small = await driver.estimate!(filesOf(path), settings);
    const large = await driver.estimate!(filesOf(path), { ...settings, contextTokens: 1024 });
    const two = await driver.estimate!(filesOf(path), { ...settings, sequences: 2 });
    expect(small.method).toBe('formula');
    expect(small.totalBytes).toBe(small.items.reduce((sum, item) => sum + item.bytes, 0));
    const bytes = (estimate: typeof small, purpose: string) =>
      estimate.items.find((item) => item.purpose === purpose)!.bytes;
    // 2 layers × 2 heads × 16 values × 4 bytes of keys and as much of values a token.
    const perToken = 2 * 2 * 16 * 4 * 2;
    expect(bytes(large, 'kv-cache') - bytes(small, 'kv-cache')).toBe(512 * perToken);
    expect(bytes(two, 'kv-cache')).toBe(2 * bytes(small, 'kv-cache'));
    const model = await driver.open(filesOf(path), openOptions);
    expect(bytes(small, 'weights')).toBe(model.info.weightBytes);
    await model.close();
  });

  it('closes a sequence that was being made, and makes none any more', async () => {
    for (let round = 0; round < 10; round++) {
      const model = await driver.open(filesOf(path), openOptions);
      const making = model.createSequence();
      const closing = model.close();
      await expect(model.createSequence()).rejects.toMatchObject({ code: 'CLOSED' });
      await (await making).close();
      await closing;
    }
  });

  it('rejects an opening that is aborted while it loads with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('not this one');
    const opening = driver.open(filesOf(path), {
      ...openOptions,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(opening).rejects.toBe(reason);
  });

  it('rejects an opening whose progress callback throws with what it threw', async () => {
    const thrown = new Error('no more');
    const opening = driver.open(filesOf(path), {
      ...openOptions,
      onProgress: () => {
        throw thrown;
      },
    });
    await expect(opening).rejects.toBe(thrown);
  });

  it('stops between two steps of a long prefill, keeping whole steps only', async () => {
    const model = await driver.open(filesOf(path), {
      ...openOptions,
      contextTokens: 2048,
      engineOptions: { batchTokens: 16 },
    });
    const sequence = await model.createSequence();
    const prompt = tokensOf(2000);
    const controller = new AbortController();
    const reason = new Error('enough');
    const stream = sequence.generate(prompt, specOf(), controller.signal);
    const pulls = stream[Symbol.asyncIterator]();
    const first = await pulls.next();
    expect(first.value).toMatchObject({ tokens: [] });
    expect((first.value as TokenBatch).prefilledTokens % 16).toBe(0);
    controller.abort(reason);
    await expect(pulls.next()).rejects.toBe(reason);
    const kept = sequence.tokenCount;
    expect(kept % 16).toBe(0);
    expect(kept).toBeLessThan(2000);
    // What is kept is of use: the rest gives what the whole gives.
    const rest = await collect(sequence, prompt.slice(kept));
    await sequence.close();
    expect(rest).toEqual(await withSequence(model, (other) => collect(other, prompt)));
    await model.close();
  });

  it('computes the same however a prompt is cut into steps', async () => {
    const prompt = tokensOf(130);
    const results = [];
    for (const batchTokens of [1, 7, 64, 128]) {
      const model = await driver.open(filesOf(path), {
        ...openOptions,
        engineOptions: { batchTokens },
      });
      results.push(await withSequence(model, (sequence) => collect(sequence, prompt)));
      await model.close();
    }
    expect(results).toEqual(Array(4).fill(results[0]));
  });

  it('ends where the context does, and goes on after a cut', async () => {
    const model = await driver.open(filesOf(path), { ...openOptions, contextTokens: 20 });
    const sequence = await model.createSequence();
    const prompt = tokensOf(16);
    const whole = await collect(sequence, prompt, { maxTokens: 100 });
    expect(whole.finish).toBe('context-full');
    // The token that came last is not in the cache.
    expect(whole.tokens).toHaveLength(5);
    expect(sequence.tokenCount).toBe(20);
    expect(await sequence.truncate(10)).toBe(10);
    const again = await collect(sequence, prompt.slice(10), { maxTokens: 4 });
    expect(again.tokens).toEqual(whole.tokens.slice(0, 4));
    await model.close();
  });

  it('changes threads and batch size on an open model, within what it was compiled for', async () => {
    const model = await driver.open(filesOf(path), openOptions);
    const before = await withSequence(model, (sequence) => collect(sequence, tokensOf(100)));
    await model.adjust!({ threads: 2, batchTokens: 64 });
    expect(model.placement().threads).toBe(2);
    const after = await withSequence(model, (sequence) => collect(sequence, tokensOf(100)));
    expect(after).toEqual(before);
    await model.adjust!({ threads: 1 });
    expect(model.placement().threads).toBe(1);
    await model.adjust!({ batchTokens: 512 });
    for (const [levers, key] of [
      [{ batchTokens: 513 }, 'batchTokens'],
      [{ threads: 0 }, 'threads'],
      [{ threads: 4096 }, 'threads'],
      [{ layers: 1 } as never, 'layers'],
    ] as const) {
      expect(await rejection(model.adjust!(levers))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        key,
      });
    }
    await model.close();
    expect(MobillmError.is(await rejection(model.adjust!({ threads: 1 })), 'CLOSED')).toBe(true);
  });

  it('says what runs where', async () => {
    const model = await driver.open(
      { format: 'mlc', files: [{ path, role: 'weights', sha256: 'ab' }] },
      openOptions,
    );
    expect(model.placement()).toEqual({
      engine: 'mlc',
      engineVersion: driver.version,
      library: expect.stringMatching(/^TVM runtime, tvm-ffi 0\.1\.\d+ \(f32; CPU.*\)$/) as string,
      libraryBuild: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
      layersByDevice: { cpu: 2 },
      threads: 1,
      modelSha256: 'ab',
      keyType: 'f32',
      valueType: 'f32',
    });
    await model.close();
  });

  it("bounds how long the runtime's idle threads spin, during which none of them can be ended", () => {
    expect(process.env['TVM_THREAD_POOL_SPIN_COUNT']).toBe('1000');
  });

  it('decodes side by side what it decodes alone', async () => {
    const model = await driver.open(filesOf(path), openOptions);
    const prompts = ['Hello', 'one two three'].map((text) => model.tokenizer.encode(text));
    const generate = (prompt: readonly number[]) =>
      withSequence(model, (sequence) => collect(sequence, prompt, { maxTokens: 40 }));
    const alone = [await generate(prompts[0]!), await generate(prompts[1]!)];
    expect(await Promise.all(prompts.map(generate))).toEqual(alone);
    await model.close();
  });

  it('runs two models side by side, each with its own weights and cache', async () => {
    const [first, second] = await Promise.all([
      driver.open(filesOf(path), openOptions),
      driver.open(filesOf(path), openOptions),
    ]);
    const use = (model: typeof first) =>
      withSequence(model, (sequence) => collect(sequence, tokensOf(50), { maxTokens: 20 }));
    const [one, other] = await Promise.all([use(first), use(second)]);
    expect(one).toEqual(other);
    await first.close();
    expect(await use(second)).toEqual(one);
    await second.close();
  });

  it('prefills only what a conversation has new', async () => {
    const engine = await createMlcEngine();
    const model = await engine.open(path, { contextTokens: 1024, threads: 1 });
    const session = await model.createSession();
    const first = await session.send('Hello there, how are you?', { maxTokens: 8 });
    expect(first.usage.cachedTokens).toBe(0);
    const second = await session.send('And now?', { maxTokens: 8 });
    // All of the first turn but the token that was sampled last, at most.
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens);
    expect(second.usage.cachedTokens).toBeLessThan(second.usage.promptTokens);
    await engine.close();
  });
});
