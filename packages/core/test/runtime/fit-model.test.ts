import { describe, expect, it } from 'vitest';
import { createEngine } from '../../src/runtime/create-engine.js';
import { createFakeDriver, fakeFiles } from '../../src/testing/index.js';

/** A model of 1000 bytes whose tokens take 10 bytes, or 6 or 4 with options that cost something. */
function engine() {
  const asked: [number, unknown][] = [];
  const driver = createFakeDriver({ info: { trainedContextTokens: 4096 } });
  const estimating = Object.assign(driver, {
    memoryVariants: [{}, { cache: 'small' }, { cache: 'tiny' }],
    estimate: (_files: unknown, options: EstimateLike) => {
      const { contextTokens, engineOptions } = options;
      asked.push([contextTokens, engineOptions['cache']]);
      const perToken = { small: 6, tiny: 4 }[String(engineOptions['cache'])] ?? 10;
      return Promise.resolve({
        items: [],
        totalBytes: 1000 + contextTokens * perToken,
        method: 'formula' as const,
        contextTokens,
      });
    },
  });
  return { asked, engine: createEngine(estimating) };
}

interface EstimateLike {
  readonly contextTokens: number;
  readonly engineOptions: Readonly<Record<string, unknown>>;
}

describe('fitting a model to a budget', () => {
  it('takes the largest context with the best options, by one estimate, where that fits', async () => {
    const { asked, engine: fake } = engine();
    expect(await fake.fit(fakeFiles, { budgetBytes: 41_960 })).toEqual({
      openOptions: { contextTokens: 4096, sequences: 4, engineOptions: {} },
      estimate: expect.objectContaining({ totalBytes: 41_960 }) as object,
      budgetBytes: 41_960,
      reason: expect.stringContaining('4096 tokens, fits: it takes') as string,
    });
    expect(asked).toEqual([[4096, undefined]]);
  });

  it('rather shortens the context than it takes worse options, unless it is told to', async () => {
    const { asked, engine: fake } = engine();
    const budgetBytes = 26_000;
    const best = await fake.fit(fakeFiles, { budgetBytes });
    expect(best.openOptions).toEqual({ contextTokens: 2048, sequences: 4, engineOptions: {} });
    expect(asked.length).toBeLessThanOrEqual(8);
    const longest = await fake.fit(fakeFiles, { budgetBytes, prefer: 'context' });
    expect(longest.openOptions).toEqual({
      contextTokens: 4096,
      sequences: 4,
      engineOptions: { cache: 'small' },
    });
    expect(longest.reason).toContain('with {"cache":"small"}');
  });

  it('takes worse options where the smallest context does not fit otherwise', async () => {
    const { engine: fake } = engine();
    const contextTokens = { min: 2048, max: 3000 };
    const fitting = await fake.fit(fakeFiles, { budgetBytes: 14_000, contextTokens });
    expect(fitting.openOptions.engineOptions).toEqual({ cache: 'small' });
    expect(fitting.openOptions.contextTokens).toBe(2048);
  });

  it('keeps options that were chosen', async () => {
    const { asked, engine: fake } = engine();
    const engineOptions = { cache: 'tiny', other: 1 };
    const fitting = await fake.fit(fakeFiles, { budgetBytes: 10_000, engineOptions });
    expect(fitting.openOptions.engineOptions).toEqual(engineOptions);
    expect(new Set(asked.map(([, cache]) => cache))).toEqual(new Set(['tiny']));
  });

  it('says the least that is needed where nothing fits', async () => {
    const { engine: fake } = engine();
    await expect(fake.fit(fakeFiles, { budgetBytes: 3000 })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      details: { contextTokens: 512, neededBytes: 1000 + 512 * 4, availableBytes: 3000 },
    });
  });

  it.each([
    [{ contextTokens: { max: 5000 } }, 'contextTokens'],
    [{ contextTokens: { min: 100, max: 50 } }, 'contextTokens.min'],
    [{ contextTokens: 100 }, 'contextTokens'],
    [{ budgetBytes: -1 }, 'budgetBytes'],
    [{ prefer: 'speed' }, 'prefer'],
  ])('refuses %j, naming "%s"', async (options, key) => {
    const { engine: fake } = engine();
    await expect(fake.fit(fakeFiles, options as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(`"${key}"`) as string,
    });
  });

  it('is UNSUPPORTED where the engine cannot estimate', async () => {
    const fake = createEngine(createFakeDriver({ capabilities: { estimate: false } }));
    await expect(fake.fit(fakeFiles)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
