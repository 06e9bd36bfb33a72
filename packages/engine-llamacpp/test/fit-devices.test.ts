import { createEngine, type Engine, type EngineDriver, type MemoryItem } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, type RpcServer, startRpcServer } from '../src/index.js';
import type { LlamaCppModel } from '../src/model.js';
import { adapterFiles, writeLora } from './support/lora.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const layers = 8;
const contextTokens = 2048;
const much = 2 ** 40;

const bytesOn = (device: string, items: readonly MemoryItem[]) =>
  items.reduce((sum, item) => sum + (item.device === device ? item.bytes : 0), 0);

describe('fitting a model to the memory of a device and of the machine', () => {
  const folder = temporaryFolder();
  let server: RpcServer;
  let driver: EngineDriver;
  let engine: Engine;
  let path: string;
  /** What the device holds where it holds all. */
  let wholeBytes: number;

  beforeAll(async () => {
    path = await writeTinyModel(folder, { layers });
    server = await startRpcServer();
    driver = await createLlamaCppDriver({ rpc: [server.endpoint] });
    engine = createEngine(driver);
    wholeBytes = await deviceBytes({ gpuLayers: 'all' });
  });
  afterAll(async () => {
    await engine.close();
    await server.close();
  });

  const deviceBytes = async (engineOptions: object, tokens = contextTokens) => {
    const asked = { contextTokens: tokens, device: 'rpc0', engineOptions: { ...engineOptions } };
    return bytesOn('rpc0', (await engine.estimate(path, asked)).items);
  };
  const fit = (budget: number, own: object = {}, machine = much) =>
    engine.fit(path, {
      device: 'rpc0',
      contextTokens: { min: 64, max: contextTokens },
      budgetBytes: { machine, devices: { rpc0: budget } },
      ...own,
    });

  it('gives the device all that it holds, and no layer more', async () => {
    const counts: number[] = [];
    for (const share of [1, 0.9, 0.75, 0.5]) {
      const budget = Math.floor(wholeBytes * share);
      const { openOptions, estimate } = await fit(budget);
      const { gpuLayers } = openOptions.engineOptions;
      expect(openOptions.contextTokens).toBe(contextTokens);
      expect(estimate.method).toBe('exact');
      if (share === 1) {
        expect(gpuLayers).toBe('all');
      } else {
        expect(await deviceBytes({ gpuLayers: Number(gpuLayers) + 1 })).toBeGreaterThan(budget);
      }
      const model = await driver.open(filesOf(path), { ...openOptions, threads: 1 });
      const taken = bytesOn('rpc0', await (model as LlamaCppModel).memory());
      const held = model.placement().layersByDevice;
      await model.close();
      expect(taken).toBe(bytesOn('rpc0', estimate.items));
      expect(taken).toBeLessThanOrEqual(budget);
      const count = gpuLayers === 'all' ? layers : Number(gpuLayers);
      expect([held['cpu'] ?? 0, held['rpc0'] ?? 0]).toEqual([layers - count, count]);
      counts.push(count);
    }
    expect(new Set(counts).size).toBe(counts.length);
  });

  it('leaves all to the CPU where the device holds no layer', async () => {
    const { openOptions, estimate } = await fit(1);
    expect(openOptions.engineOptions).toEqual({ gpuLayers: 0 });
    expect(new Set(estimate.items.map(({ device }) => device))).toEqual(new Set(['cpu']));
    // It computes there as on a machine without a device.
    const model = await driver.open(filesOf(path), { ...openOptions, threads: 1 });
    const taken = await (model as LlamaCppModel).memory();
    const told = estimate.items.filter(({ purpose }) => purpose !== 'output');
    expect(bytesOn('cpu', taken)).toBe(bytesOn('cpu', told));
    await model.close();
  });

  it('shortens the context where both together do not hold it', async () => {
    const machine = bytesOn('cpu', (await fit(wholeBytes / 2)).estimate.items) - 1;
    const { openOptions, estimate } = await fit(Math.floor(wholeBytes / 2), {}, machine);
    expect(openOptions.contextTokens).toBeLessThan(contextTokens);
    expect(bytesOn('cpu', estimate.items)).toBeLessThanOrEqual(machine);
    expect(bytesOn('rpc0', estimate.items)).toBeLessThanOrEqual(wholeBytes / 2);
  });

  it('shortens the context where layers are to stay on the device, or refuses with what helps', async () => {
    const budget = await deviceBytes({ gpuLayers: 'all' }, 512);
    const engineOptions = { gpuLayers: 'all' };
    const { openOptions } = await fit(budget, { engineOptions });
    expect(openOptions).toMatchObject({ contextTokens: 512, engineOptions });
    await expect(fit(1000, { engineOptions })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      details: { device: 'rpc0', availableBytes: 1000 },
      message: expect.stringContaining('fewer "gpuLayers", or "auto"') as string,
    });
  });

  it('leaves room on the device for a draft model and for adapters', async () => {
    const draftModel = await writeTinyModel(folder, { layers: 2 });
    const { path: lora } = await writeLora(folder, path, { rank: 16 });
    const budget = Math.floor(wholeBytes * 0.75);
    const plain = await fit(budget);
    for (const own of [{ engineOptions: { draftModel } }, { adapters: [lora] }]) {
      const { openOptions, estimate } = await fit(budget, own);
      const { gpuLayers } = openOptions.engineOptions;
      expect(gpuLayers).toBeLessThan(Number(plain.openOptions.engineOptions['gpuLayers']));
      expect(bytesOn('rpc0', estimate.items)).toBeLessThanOrEqual(budget);
      const model = await driver.open(filesOf(path), { ...openOptions, threads: 1 });
      if ('adapters' in own) await model.loadAdapter!(adapterFiles(lora), {});
      const taken = bytesOn('rpc0', await (model as LlamaCppModel).memory());
      await model.close();
      // What an open model tells of itself is without adapters.
      const adapters = estimate.items.filter(
        ({ purpose, device }) => purpose === 'adapters' && device === 'rpc0',
      );
      expect(taken + bytesOn('rpc0', adapters)).toBeLessThanOrEqual(budget);
    }
  });
});
