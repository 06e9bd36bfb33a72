import { afterEach, describe, expect, it } from 'vitest';
import type { Device } from '../../src/engine/device.js';
import type { Engine } from '../../src/engine/engine.js';
import { createEngine } from '../../src/runtime/create-engine.js';
import { totalLimit } from '../../src/runtime/memory-limits.js';
import { createFakeDriver, fakeFiles } from '../../src/testing/index.js';

/** More than any machine has, and less than a device says that it has free. */
const muchBytes = 2 ** 49;

let engine: Engine | undefined;
afterEach(() => engine?.close());

/** An engine whose model lies on `gpu0`, but for some bytes a token of context. */
function engineOn(gpu: Partial<Device>, weightBytes: number, device = 'gpu0'): Engine {
  const driver = createFakeDriver({ info: { trainedContextTokens: 1024 } });
  return (engine = createEngine(
    Object.assign(driver, {
      devices: [
        { id: 'gpu0', kind: 'gpu', name: 'Fake card', memoryFreeBytes: 2 ** 50, ...gpu },
        { id: 'cpu', kind: 'cpu', name: 'Fake CPU' },
      ] satisfies Device[],
      estimate: (_files: unknown, { contextTokens }: { readonly contextTokens: number }) =>
        Promise.resolve({
          items: [
            { purpose: 'weights', device, bytes: weightBytes },
            { purpose: 'kv-cache', device: 'cpu', bytes: contextTokens },
          ] as const,
          totalBytes: weightBytes + contextTokens,
          method: 'formula' as const,
          contextTokens,
        }),
    }),
  ));
}

describe('memory of a device', () => {
  it('holds what the machine could not, where it is its own', async () => {
    const model = await engineOn({ ownMemory: true }, muchBytes).open(fakeFiles);
    expect(model.contextTokens).toBe(1024);
    const { openOptions, budgetBytes } = await engine!.fit(fakeFiles);
    expect(openOptions.contextTokens).toBe(1024);
    expect(budgetBytes).toBeGreaterThan(2 ** 50);
  });

  it('is the machine’s where it is not, and is none of what the CPU holds', async () => {
    for (const other of [
      engineOn({}, muchBytes),
      engineOn({ ownMemory: true }, muchBytes, 'cpu'),
    ]) {
      for (const call of [() => other.open(fakeFiles), () => other.fit(fakeFiles)]) {
        await expect(call()).rejects.toMatchObject({
          code: 'OUT_OF_MEMORY',
          details: expect.not.objectContaining({ device: 'gpu0' }) as object,
        });
      }
    }
  });

  it('that is full is not one that does not tell', async () => {
    const full = engineOn({ ownMemory: true, memoryFreeBytes: 0 }, 1);
    await expect(full.open(fakeFiles)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      details: { device: 'gpu0', availableBytes: 0 },
    });
  });

  it('is named with both numbers where it is too small', async () => {
    const small = engineOn({ ownMemory: true, memoryFreeBytes: 1000 }, 1001);
    for (const call of [() => small.open(fakeFiles), () => small.fit(fakeFiles)]) {
      await expect(call()).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringContaining('on the device "gpu0"') as string,
        details: { device: 'gpu0', neededBytes: 1001, availableBytes: 1000 },
      });
    }
    const model = await engineOn({ memoryFreeBytes: 1000 }, 1000).open(fakeFiles);
    expect(model.contextTokens).toBe(1024);
  });

  it('adds to the machine’s where it is its own, and is unknown where that is', () => {
    const devices = [
      { id: 'gpu0', ownMemory: true, freeBytes: 10 },
      { id: 'gpu1', freeBytes: 100 },
    ];
    expect(totalLimit({ machineBytes: 1, devices })).toBe(11);
    expect(totalLimit({ machineBytes: undefined, devices })).toBe(Infinity);
  });
});
