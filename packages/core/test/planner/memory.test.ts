import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateMemory, type MemorySettings } from '../../src/planner/estimate-memory.js';
import {
  kvBytesPerToken,
  kvCacheBytes,
  slidingLayers,
  type KvType,
} from '../../src/planner/kv-cache.js';
import { memoryBudget } from '../../src/planner/memory-budget.js';
import { measurements } from './measurements.js';
import { cpuDevice, models, serverWith } from './samples.js';

const settings: MemorySettings = {
  contextTokens: 4096,
  sequences: 1,
  keyType: 'f16',
  valueType: 'f16',
  batchTokens: 512,
  kvPool: 'shared',
  outputRows: 1,
  arch: 'x64',
};

describe('measured against llama.cpp', () => {
  it.each(measurements)(
    '%s, context %i × %i, batch %i, KV %s, %i rows, %s',
    (name, contextTokens, sequences, batchTokens, kvType, outputRows, kvPool, kvBytes, compute) => {
      const model = Object.values(models).find((candidate) => candidate.name === name);
      if (model === undefined) throw new Error(`no model ${name}`);
      const memory = estimateMemory(model, {
        ...settings,
        contextTokens,
        sequences,
        batchTokens,
        keyType: kvType,
        valueType: kvType,
        outputRows,
        kvPool,
      });
      expect(memory.kvCacheBytes).toBe(kvBytes);
      // Quantized caches move the peak to another tensor, which the formula does not follow.
      const tolerance = kvType === 'f16' ? 0.001 : 0.08;
      expect(Math.abs(memory.computeBytes / compute - 1)).toBeLessThan(tolerance);
    },
  );
});

/** SmolLM2-135M as above with a matrix of scores: context, batch, bytes of compute. */
const withMatrix = [
  [512, 512, 17_178_688],
  [1024, 512, 27_664_448],
  [2048, 512, 48_635_968],
  [4096, 512, 90_579_008],
  [7168, 512, 153_493_568],
  [4096, 64, 11_322_432],
  [8192, 128, 43_616_320],
] as const;

describe('measured against llama.cpp with a matrix of scores', () => {
  const matrixBytes = 128 * 2 ** 20;

  it.each(withMatrix)('context %i, batch %i', (contextTokens, batchTokens, compute) => {
    const { computeBytes } = estimateMemory(models.smol, {
      ...settings,
      ...{ contextTokens, batchTokens, matrixBytes },
    });
    expect(Math.abs(computeBytes / compute - 1)).toBeLessThan(0.001);
  });

  it('goes back to blocks where the matrix takes more than it may, or cannot be multiplied', () => {
    const at = (own: Partial<MemorySettings>) =>
      estimateMemory(models.smol, { ...settings, ...own }).computeBytes;
    const large = { contextTokens: 8192, matrixBytes };
    expect(at(large)).toBe(at({ contextTokens: 8192 }));
    expect(at({ matrixBytes, valueType: 'q8_0' })).toBe(at({ valueType: 'q8_0' }));
    expect(at({ matrixBytes, keyType: 'q8_0' })).toBeGreaterThan(at({ keyType: 'q8_0' }));
  });
});

describe('KV cache', () => {
  it('takes layers · heads · (key + value) · 2 bytes a token', () => {
    expect(kvBytesPerToken(models.llama8)).toBe(32 * 8 * (128 + 128) * 2);
    expect(kvBytesPerToken(models.llama8, { keyType: 'q8_0', valueType: 'q4_0' })).toBe(
      32 * 8 * (128 * 1.0625 + 128 * 0.5625),
    );
  });

  it('knows how many layers of a family see a window alone', () => {
    expect(slidingLayers(models.gemma1)).toBe(22);
    expect(slidingLayers(models.llama8)).toBe(0);
    // Unknown architectures count as seeing everything.
    expect(slidingLayers({ ...models.gemma1, architecture: 'new' })).toBe(0);
  });

  it('is for every model without a window its bytes a token times the padded context', () => {
    const types = fc.constantFrom<KvType>('f32', 'f16', 'bf16', 'q8_0', 'q4_0');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 32 }),
        fc.integer({ min: 1, max: 8 }).map((blocks) => blocks * 32),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 8 }),
        types,
        types,
        (layers, kvHeads, headLength, contextTokens, sequences, keyType, valueType) => {
          const model = {
            architecture: 'llama',
            layers,
            kvHeads,
            keyLength: headLength,
            valueLength: headLength,
          };
          const padded = contextTokens + ((256 - (contextTokens % 256)) % 256);
          const bytes = kvBytesPerToken(model, { keyType, valueType }) * padded;
          const common = { contextTokens, sequences, keyType, valueType, batchTokens: 512 };
          expect(kvCacheBytes(model, { ...common, kvPool: 'shared' })).toBe(bytes);
          expect(kvCacheBytes(model, { ...common, kvPool: 'per-sequence' })).toBe(
            bytes * sequences,
          );
        },
      ),
    );
  });
});

describe('estimateMemory', () => {
  it('never falls as the context grows', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(models)),
        fc.integer({ min: 1, max: 200_000 }),
        fc.nat(10_000),
        fc.integer({ min: 1, max: 8 }),
        (model, contextTokens, more, sequences) => {
          const at = (tokens: number) =>
            estimateMemory(model, {
              ...settings,
              contextTokens: tokens,
              sequences,
              outputRows: sequences,
            }).totalBytes;
          expect(at(contextTokens + more)).toBeGreaterThanOrEqual(at(contextTokens));
        },
      ),
    );
  });

  it('counts a shared embedding twice where the engine keeps two forms of it', () => {
    const weights = (model: (typeof models)[keyof typeof models], arch: string) =>
      estimateMemory(model, { ...settings, arch }).weightsBytes;
    expect(weights(models.qwen05, 'x64')).toBe(278_139_392 + 76_575_744);
    expect(weights(models.smol, 'x64')).toBe(96_576_768);
    expect(weights(models.smol, 'arm64')).toBe(96_576_768 + 30_081_024);
    expect(weights(models.llama8, 'arm64')).toBe(4_912_898_048);
  });

  it('takes the widest known layer where the header does not tell its width', () => {
    const { feedForwardLength: _, ...unknown } = models.llama8;
    const known = { ...models.llama8, feedForwardLength: 6 * 4096 };
    expect(estimateMemory(unknown, settings)).toEqual(estimateMemory(known, settings));
  });

  it('is the sum of its items', () => {
    const memory = estimateMemory(models.llama1, settings);
    expect(memory.totalBytes).toBe(
      memory.weightsBytes + memory.kvCacheBytes + memory.computeBytes + memory.overheadBytes,
    );
  });
});

describe('memoryBudget', () => {
  it('leaves a tenth to the system, and 64 MiB at least', () => {
    expect(memoryBudget(serverWith(10_000_000_000))).toEqual({
      budgetBytes: 9_000_000_000,
      availableBytes: 10_000_000_000,
      reserveBytes: 1_000_000_000,
      source: 'live',
      limitedBy: 'machine',
    });
    expect(memoryBudget(serverWith(100_000_000)).reserveBytes).toBe(67_108_864);
    expect(memoryBudget(serverWith(1000)).budgetBytes).toBe(0);
  });

  it('leaves Android more', () => {
    const phone = { ...serverWith(2_000_000_000), os: 'android' };
    expect(memoryBudget(phone).reserveBytes).toBe(536_870_912);
  });

  it('says whose memory runs out first', () => {
    const hardware = serverWith(8_000_000_000);
    const cgroup = {
      version: 2,
      limitBytes: 3_000_000_000,
      usedBytes: 0,
      reclaimableBytes: 0,
      availableBytes: 3_000_000_000,
    } as const;
    const contained = {
      ...hardware,
      memory: { ...hardware.memory, cgroup, effectiveAvailableBytes: 3_000_000_000 },
    };
    expect(memoryBudget(contained).limitedBy).toBe('cgroup');
    const gpu = {
      id: 'gpu0',
      kind: 'gpu',
      name: 'Adreno',
      memoryFreeBytes: 1_000_000_000,
    } as const;
    expect(memoryBudget(contained, gpu)).toEqual({
      budgetBytes: 900_000_000,
      availableBytes: 1_000_000_000,
      reserveBytes: 100_000_000,
      source: 'live',
      limitedBy: 'device',
    });
    // The CPU's own figure is the machine's, which knows of no group.
    expect(memoryBudget(contained, { ...cpuDevice, memoryFreeBytes: 1 }).limitedBy).toBe('cgroup');
  });

  it('assumes half of the memory where what is free cannot be read, and nothing without that', () => {
    expect(memoryBudget({ os: 'darwin', memory: { totalBytes: 8_000_000_000 } })).toEqual({
      budgetBytes: 3_600_000_000,
      availableBytes: 4_000_000_000,
      reserveBytes: 400_000_000,
      source: 'share-of-total',
      limitedBy: 'machine',
    });
    expect(memoryBudget({ os: 'browser', memory: {} })).toEqual({
      reserveBytes: 0,
      source: 'unknown',
    });
  });
});
