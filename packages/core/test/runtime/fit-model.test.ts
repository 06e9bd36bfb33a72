import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/engine/device.js';
import type { DriverEstimateOptions, EngineDriver } from '../../src/engine/driver.js';
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
    [{ budgetBytes: { machine: -1 } }, 'budgetBytes.machine'],
    [{ budgetBytes: { devices: { gpu0: '1' } } }, 'budgetBytes.devices.gpu0'],
    [{ budgetBytes: { devices: { gpu0: 1 } } }, 'budgetBytes.devices.gpu0'],
    [{ budgetBytes: { devices: { cpu: 1 } } }, 'budgetBytes.devices.cpu'],
    [{ budgetBytes: { gpu0: 1 } }, 'budgetBytes.gpu0'],
    [{ adapters: [''] }, 'adapters[0]'],
    [{ adapters: 'file' }, 'adapters'],
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

/**
 * A model of four layers of 1000 bytes, each with a byte a token of context, whose engine puts as many of
 * them on `gpu0` as fit there.
 */
function sharingEngine(own: Partial<EngineDriver> = {}) {
  const layers = 4;
  const driver = createFakeDriver({ info: { trainedContextTokens: 4096 } });
  return createEngine(
    Object.assign(driver, {
      devices: [
        { id: 'gpu0', kind: 'gpu', name: 'Fake', memoryFreeBytes: 2 ** 40, ownMemory: true },
        { id: 'cpu', kind: 'cpu', name: 'Fake CPU' },
      ] satisfies Device[],
      memoryVariants: [{}, { cache: 'small' }],
      estimate: (_files: unknown, options: DriverEstimateOptions) => {
        const { contextTokens, engineOptions, deviceBytes } = options;
        const layerBytes = 1000 + contextTokens / (engineOptions['cache'] === 'small' ? 2 : 1);
        const most = Math.floor((deviceBytes?.['gpu0'] ?? Infinity) / layerBytes);
        const given = engineOptions['gpuLayers'] as number | undefined;
        const gpuLayers = given ?? Math.min(layers, most);
        const items = [
          { purpose: 'kv-cache' as const, device: 'gpu0', bytes: gpuLayers * layerBytes },
          { purpose: 'kv-cache' as const, device: 'cpu', bytes: (layers - gpuLayers) * layerBytes },
        ];
        return Promise.resolve({
          ...{ items, totalBytes: layers * layerBytes, method: 'exact' as const, contextTokens },
          ...(given === undefined && { engineOptions: { gpuLayers } }),
        });
      },
      ...own,
    }),
  );
}

describe('fitting a model to budgets of a device and of the machine', () => {
  const layerBytes = 1000 + 4096;

  it('moves layers off the device before it gives up context or precision', async () => {
    const budgetBytes = { machine: 2 * layerBytes, devices: { gpu0: 3 * layerBytes - 1 } };
    const found = await sharingEngine().fit(fakeFiles, { budgetBytes });
    expect(found).toEqual({
      openOptions: { contextTokens: 4096, sequences: 4, engineOptions: { gpuLayers: 2 } },
      estimate: expect.objectContaining({ totalBytes: 4 * layerBytes }) as object,
      budgetBytes: 5 * layerBytes - 1,
      reason: expect.stringContaining('fits with {"gpuLayers":2}: it takes') as string,
    });
  });

  it('gives up context, or precision, where both together are too small', async () => {
    const budgetBytes = { machine: 2 * layerBytes - 1, devices: { gpu0: 3 * layerBytes - 1 } };
    const shorter = await sharingEngine().fit(fakeFiles, { budgetBytes });
    expect(shorter.openOptions).toMatchObject({
      contextTokens: 3072,
      engineOptions: { gpuLayers: 3 },
    });
    const smaller = await sharingEngine().fit(fakeFiles, { budgetBytes, prefer: 'context' });
    expect(smaller.openOptions).toMatchObject({
      contextTokens: 4096,
      engineOptions: { cache: 'small', gpuLayers: 4 },
    });
  });

  it('keeps layers that were chosen on the device, and shortens the context for them', async () => {
    const budgetBytes = { machine: 2 ** 40, devices: { gpu0: 4 * (1000 + 2048) } };
    const engineOptions = { gpuLayers: 4 };
    const found = await sharingEngine().fit(fakeFiles, { budgetBytes, engineOptions });
    expect(found.openOptions).toMatchObject({ contextTokens: 2048, engineOptions });
    expect(found.reason).not.toContain('gpuLayers');
  });

  it('limits all together by a number, and each device by what it has free', async () => {
    const whole = 4 * layerBytes;
    const found = await sharingEngine().fit(fakeFiles, { budgetBytes: whole });
    expect(found.openOptions.contextTokens).toBe(4096);
    const shorter = await sharingEngine().fit(fakeFiles, { budgetBytes: whole - 1 });
    expect(shorter.openOptions.contextTokens).toBe(3072);
    const full = sharingEngine({
      devices: [{ id: 'gpu0', kind: 'gpu', name: 'Full', memoryFreeBytes: 1, ownMemory: true }],
    });
    const engineOptions = { gpuLayers: 4 };
    await expect(full.fit(fakeFiles, { budgetBytes: whole, engineOptions })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      details: { device: 'gpu0', availableBytes: 1 },
    });
  });

  it('says what helps in the place that is too small, by the engine’s own word', async () => {
    const heard: unknown[] = [];
    const engine = sharingEngine({
      memoryAdvice: (options, shortage) => {
        heard.push([options.contextTokens, options.engineOptions, shortage]);
        return ['fewer "gpuLayers"'];
      },
    });
    const budgetBytes = { machine: 2 ** 40, devices: { gpu0: 1000 } };
    const engineOptions = { gpuLayers: 1, cache: 'large' };
    await expect(engine.fit(fakeFiles, { budgetBytes, engineOptions })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        /on the device "gpu0", .* Use a smaller "contextTokens.min", fewer "gpuLayers", or a smaller model/u,
      ) as string,
    });
    expect(heard).toEqual([
      [
        512,
        engineOptions,
        { device: 'gpu0', items: [{ purpose: 'kv-cache', device: 'gpu0', bytes: 1512 }] },
      ],
    ]);
  });
});

describe('adapters in an estimate', () => {
  const adapters = ['/adapter-1.fake', { ...fakeFiles, files: [adapterFile('/adapter-2.fake')] }];

  it('are counted, when estimating and when fitting', async () => {
    await using engine = createEngine(createFakeDriver());
    const plain = await engine.estimate(fakeFiles, { contextTokens: 512 });
    const both = await engine.estimate(fakeFiles, { contextTokens: 512, adapters });
    expect(both.totalBytes - plain.totalBytes).toBe(16);
    const asked = { budgetBytes: plain.totalBytes + 15, contextTokens: { min: 1, max: 512 } };
    expect((await engine.fit(fakeFiles, asked)).openOptions.contextTokens).toBe(512);
    const fitting = await engine.fit(fakeFiles, { ...asked, adapters });
    expect(fitting.openOptions.contextTokens).toBe(384);
  });

  it('are UNSUPPORTED where the engine applies none', async () => {
    await using engine = createEngine(createFakeDriver({ capabilities: { adapters: false } }));
    for (const call of [
      () => engine.estimate(fakeFiles, { adapters }),
      () => engine.fit(fakeFiles, { adapters }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('adapters') as string,
      });
    }
  });

  function adapterFile(path: string) {
    return { path, role: 'adapter' as const };
  }
});
