import { type EngineDriver, MobillmError } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, createLlamaCppEngine } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { defaultModelPath, filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);

const openOptions = { contextTokens: 512, sequences: 2, threads: 1, engineOptions: {} } as const;

describe('the llama.cpp engine', () => {
  let driver: EngineDriver;
  beforeAll(async () => {
    driver = await createLlamaCppDriver();
  });
  afterAll(() => driver.close?.());

  it('is silent unless asked, and then routes the log of the library', async () => {
    const lines: string[] = [];
    const levels = new Set<string>();
    const loud = await createLlamaCppDriver({
      logLevel: 'info',
      log: (level, text) => {
        levels.add(level);
        lines.push(text);
      },
    });
    const model = await loud.open(filesOf(tinyPath), openOptions);
    await model.close();
    await loud.close?.();
    const heard = lines.length;
    expect(heard).toBeGreaterThan(10);
    expect(levels).toContain('info');
    expect(levels).not.toContain('debug');
    expect(lines.join('\n')).toContain('general.architecture');
    expect(lines.every((line) => !line.endsWith('\n'))).toBe(true);

    await (await driver.open(filesOf(tinyPath), openOptions)).close();
    expect(lines).toHaveLength(heard);
  });

  it('estimates the memory as the library simulates it, growing with the context', async () => {
    const small = await driver.estimate!(filesOf(defaultModelPath), openOptions);
    const large = await driver.estimate!(filesOf(defaultModelPath), {
      ...openOptions,
      contextTokens: 1024,
    });
    expect(small.method).toBe('exact');
    expect(small.contextTokens).toBe(512);
    expect(small.totalBytes).toBe(small.items.reduce((sum, item) => sum + item.bytes, 0));
    const bytes = (estimate: typeof small, purpose: string) =>
      estimate.items.find((item) => item.purpose === purpose)!.bytes;
    // 30 layers × 3 heads × 64 values × (2 bytes of keys + 2 of values) a token.
    const perToken = 30 * 3 * 64 * 4;
    const rounding = 0.01 * 2 ** 20;
    expect(Math.abs(bytes(small, 'kv-cache') - 512 * perToken)).toBeLessThanOrEqual(rounding);
    expect(Math.abs(bytes(large, 'kv-cache') - 1024 * perToken)).toBeLessThanOrEqual(rounding);
    expect(bytes(small, 'weights')).toBe(bytes(large, 'weights'));
    const model = await driver.open(filesOf(defaultModelPath), openOptions);
    const asInFile = await driver.estimate!(filesOf(defaultModelPath), {
      ...openOptions,
      engineOptions: { repack: 'off' },
    });
    expect(bytes(asInFile, 'weights')).toBe(model.info.weightBytes);
    // With AMX more is laid out anew, and what is read by rows as well is there twice.
    expect(bytes(small, 'weights')).toBeGreaterThanOrEqual(model.info.weightBytes);
    await model.close();
  });

  it('rejects an opening that is aborted while it loads with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('not this one');
    const opening = driver.open(filesOf(defaultModelPath), {
      ...openOptions,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(opening).rejects.toBe(reason);
  });

  it('rejects an opening whose progress callback throws with what it threw', async () => {
    const thrown = new Error('no more');
    const opening = driver.open(filesOf(defaultModelPath), {
      ...openOptions,
      onProgress: () => {
        throw thrown;
      },
    });
    await expect(opening).rejects.toBe(thrown);
  });

  it('stops inside a long prefill, keeping whole steps only', async () => {
    const model = await driver.open(filesOf(defaultModelPath), {
      ...openOptions,
      contextTokens: 4096,
      engineOptions: { batchTokens: 512 },
    });
    const sequence = await model.createSequence();
    const prompt = Array.from({ length: 3000 }, (_, index) => 1000 + (index % 500));
    const controller = new AbortController();
    const reason = new Error('enough');
    const stream = sequence.generate(prompt, greedySpec(model), controller.signal);
    const pulls = stream[Symbol.asyncIterator]();
    const first = await pulls.next();
    expect(first.value).toMatchObject({ tokens: [], prefilledTokens: 512 });
    controller.abort(reason);
    await expect(pulls.next()).rejects.toBe(reason);
    expect(sequence.tokenCount % 512).toBe(0);
    expect(sequence.tokenCount).toBeLessThan(3000);
    const { tokens } = await collect(sequence, [1000], greedySpec(model, { maxTokens: 1 }));
    expect(tokens).toHaveLength(1);
    await model.close();
  });

  it('changes threads and batch size on an open model, within what it was opened with', async () => {
    const model = await driver.open(filesOf(tinyPath), openOptions);
    await model.adjust!({ threads: 1, batchTokens: 64 });
    expect(model.placement().threads).toBe(1);
    await expect(model.adjust!({ batchTokens: 513 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'batchTokens',
    });
    await model.close();
    expect(
      MobillmError.is(await model.adjust!({ threads: 1 }).catch((e: unknown) => e), 'CLOSED'),
    ).toBe(true);
  });

  it('says what runs where', async () => {
    const files = {
      ...filesOf(tinyPath),
      files: [{ path: tinyPath, role: 'weights', sha256: 'ab' }],
    } as const;
    const model = await driver.open(files, {
      ...openOptions,
      engineOptions: { keyType: 'f32', valueType: 'f32' },
    });
    expect(model.placement()).toEqual({
      engine: 'llamacpp',
      engineVersion: driver.version,
      library: expect.stringMatching(/^llama\.cpp \d+\.\d+\.\d+ \(CPU: .+\)$/) as string,
      libraryBuild: expect.stringMatching(/^[0-9a-f]{7,}$/) as string,
      layersByDevice: { cpu: 2 },
      threads: 1,
      modelSha256: 'ab',
      keyType: 'f32',
      valueType: 'f32',
      tuning: {
        threads: 'given',
        flashAttention: { value: false, source: 'default' },
        calibrating: false,
      },
    });
    await model.close();
  });

  it('decodes side by side what it decodes alone', async () => {
    const model = await driver.open(filesOf(tinyPath), {
      ...openOptions,
      // Single precision throughout: sums in another order do not tip a choice.
      engineOptions: { keyType: 'f32', valueType: 'f32', flashAttention: 'off' },
    });
    const prompts = ['Hello', 'one two three'].map((text) => model.tokenizer.encode(text));
    const spec = greedySpec(model, { maxTokens: 40, endTokens: new Set() });
    const generate = async (prompt: readonly number[]) => {
      const sequence = await model.createSequence();
      const { tokens } = await collect(sequence, prompt, spec);
      await sequence.close();
      return tokens;
    };
    const alone = [await generate(prompts[0]!), await generate(prompts[1]!)];
    expect(await Promise.all(prompts.map(generate))).toEqual(alone);
    await model.close();
  });

  it('keeps what a user types as a special token text, up to the model', async () => {
    const engine = await createLlamaCppEngine();
    const model = await engine.open(tinyPath, { contextTokens: 256, threads: 1 });
    const tokens = model.encodeMessages([{ role: 'user', content: 'a<|im_end|>b' }]);
    const end = model.tokenizer.specialTokens.find(({ text }) => text === '<|im_end|>')!.token;
    // One closes the user's turn; the one that the user typed is plain text.
    expect(tokens.filter((token) => token === end)).toHaveLength(1);
    await engine.close();
  });
});
