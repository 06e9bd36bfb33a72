import { describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';
import { modelOpener } from './support/opened-models.js';

const folder = temporaryFolder();
const open = modelOpener({ contextTokens: 256, sequences: 1 });

describe('devices of llama.cpp', () => {
  it('lists the CPU as data, with the memory of the machine', async () => {
    const driver = await createLlamaCppDriver();
    const cpu = driver.devices.find(({ id }) => id === 'cpu');
    expect(cpu).toMatchObject({ kind: 'cpu', backend: 'CPU', name: expect.any(String) as string });
    expect(cpu?.memoryTotalBytes).toBeGreaterThan(0);
    expect(cpu?.memoryFreeBytes).toBeLessThanOrEqual(cpu?.memoryTotalBytes ?? 0);
    await driver.close?.();
  });

  it('puts every layer on the CPU where that is the device, with and without repacking', async () => {
    const path = await writeTinyModel(folder, { layers: 3 });
    for (const repack of ['auto', 'off'] as const) {
      const model = await open(path, { repack });
      expect(model.placement().layersByDevice).toEqual({ cpu: 3 });
    }
  });

  it.each([
    [{ gpuLayers: 'all' }, /"engineOptions.gpuLayers": asks for layers on another device/],
    [{ gpuLayers: 2 }, /"engineOptions.gpuLayers": asks for layers on another device/],
    [{ gpuLayers: -1 }, /"engineOptions.gpuLayers": must be at least 0/],
    [{ gpuLayers: 'some' }, /"engineOptions.gpuLayers" must be an integer/],
    [{ tensorSplit: {} }, /"engineOptions.tensorSplit": names no device/],
    [{ tensorSplit: { cpu: 1 } }, /"engineOptions.tensorSplit.cpu": is no device beside the CPU/],
    [{ tensorSplit: { cuda99: 0 } }, /"engineOptions.tensorSplit.cuda99": must be above 0/],
    [{ repack: 'on' }, /"engineOptions.repack" must be one of 'auto', 'off'/],
  ])('refuses %j on the CPU', async (engineOptions, message) => {
    const driver = await createLlamaCppDriver();
    const path = await writeTinyModel(folder);
    const opening = driver.open(filesOf(path), {
      ...{ contextTokens: 64, sequences: 1, threads: 1, device: 'cpu' },
      engineOptions,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
    await driver.close?.();
  });

  it('says where it looked for a back end that is not installed', async () => {
    await expect(createLlamaCppDriver({ backends: ['hexagon'] })).rejects.toMatchObject({
      code: 'ADDON_NOT_FOUND',
      message: expect.stringMatching(
        /The back end "hexagon" of llama.cpp is neither built in nor installed[^]*hexagon\/libggml-hexagon\.so|ggml-hexagon\.dll/u,
      ) as string,
      details: { backend: 'hexagon' },
    });
  });
});
