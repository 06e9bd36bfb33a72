import type { EngineDriver, MemoryItem, ModelDriver } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createLlamaCppDriver,
  type LlamaCppOpenOptions,
  type RpcServer,
  startRpcServer,
} from '../src/index.js';
import type { LlamaCppModel } from '../src/model.js';
import { collect, greedySpec } from './support/driving.js';
import { adapterFiles, writeLora } from './support/lora.js';
import { defaultModelPath, filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

/** What a model is opened with. */
interface Asked extends LlamaCppOpenOptions {
  readonly device?: string;
  readonly sequences?: number;
  readonly contextTokens?: number;
}

const folder = temporaryFolder();
const layers = 4;

/** Options that change what is taken, alone and together. */
const matrix: readonly Asked[] = [
  {},
  { contextTokens: 1000, sequences: 1 },
  { sequences: 16, poolTokens: 2048 },
  { batchTokens: 32 },
  { batchTokens: 1024, flashAttention: 'off' },
  { keyType: 'f32', valueType: 'f32', flashAttention: 'off' },
  { valueType: 'bf16', flashAttention: 'on', poolTokens: 1024, sequences: 2 },
  { repack: 'off' },
  { embedTokens: 256 },
  { embedTokens: 300, flashAttention: 'off', batchTokens: 64, keyType: 'f32' },
];

/** What the heads of the tiny model, of 16 numbers, are too short for. */
const quantized: readonly Asked[] = [
  { keyType: 'q8_0', valueType: 'q8_0' },
  { valueType: 'q4_0', flashAttention: 'on', poolTokens: 1024, sequences: 2 },
];

/** The same where a part of it is elsewhere. */
const offloaded: readonly Asked[] = [
  { device: 'rpc0', gpuLayers: 'all' },
  { device: 'rpc0', gpuLayers: 1 },
  { device: 'rpc0', gpuLayers: 3, flashAttention: 'off', keyType: 'f32', batchTokens: 64 },
  { device: 'rpc0', gpuLayers: 0 },
  { device: 'rpc0', gpuLayers: 2, embedTokens: 256 },
];

/** Bytes by device and purpose; what an output takes is not told of an open model. */
function sums(items: readonly MemoryItem[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { device, purpose, bytes } of items) {
    if (purpose === 'output') continue;
    const key = `${device} ${purpose}`;
    result[key] = (result[key] ?? 0) + bytes;
  }
  return result;
}

describe('an estimate', () => {
  const servers: RpcServer[] = [];
  let driver: EngineDriver;
  let tinyPath: string;
  let draftPath: string;

  beforeAll(async () => {
    tinyPath = await writeTinyModel(folder, { layers });
    draftPath = await writeTinyModel(folder, { layers: 1 });
    servers.push(...(await Promise.all([startRpcServer(), startRpcServer()])));
    driver = await createLlamaCppDriver({ rpc: servers.map(({ endpoint }) => endpoint) });
  });
  afterAll(async () => {
    await driver.close?.();
    await Promise.all(servers.map((server) => server.close()));
  });

  const optionsOf = ({ device = 'cpu', sequences = 4, contextTokens = 512, ...own }: Asked) => ({
    ...{ device, sequences, contextTokens },
    // Mapped weights are pages of the file, and the library counts those between two of its tensors, too.
    engineOptions: { weights: 'copied', calibrate: 'off', ...own },
  });

  /** Computes as much at once as the options allow: what grows only in use has grown then. */
  const work = async (model: ModelDriver, { sequences, engineOptions }: Used) => {
    const all = await Promise.all(
      Array.from({ length: Math.min(sequences, 4) }, () => model.createSequence()),
    );
    const tokens = Array.from({ length: 100 }, (_, index) => (index * 37) % 250);
    const spec = greedySpec(model, { maxTokens: 8, endTokens: new Set(), speculation: 'auto' });
    for (const [index, sequence] of all.entries()) {
      await collect(sequence, tokens.slice(0, 100 - 25 * index), spec);
    }
    await Promise.all(all.map((sequence) => collect(sequence, [1, 2, 3], spec)));
    const { embedTokens = 0 } = engineOptions as LlamaCppOpenOptions;
    if (embedTokens > 0) {
      await model.embed?.([Array.from({ length: embedTokens }, (_, index) => index % 250)], {
        pooling: 'mean',
      });
    }
    await Promise.all(all.map((sequence) => sequence.close()));
  };

  /** What was said to be taken, and what is: when it was opened, and when it was used. */
  const compare = async (path: string, asked: Asked) => {
    const options = optionsOf(asked);
    const { items, method } = await driver.estimate!(filesOf(path), options);
    const model = await driver.open(filesOf(path), { ...options, threads: 1 });
    try {
      await work(model, options);
      return { method, said: sums(items), taken: sums(await (model as LlamaCppModel).memory()) };
    } finally {
      await model.close();
    }
  };

  it.each(matrix)('says to the byte what a tiny model takes with %j', async (asked) => {
    const { method, said, taken } = await compare(tinyPath, asked);
    expect(taken).toEqual(said);
    expect(method).toBe('exact');
  });

  it.each([...matrix, ...quantized])(
    'says to the byte what SmolLM2 takes with %j',
    async (asked) => {
      const { method, said, taken } = await compare(defaultModelPath, asked);
      expect(taken).toEqual(said);
      expect(method).toBe('exact');
    },
  );

  it.each(offloaded)('says by device what a model takes with %j', async (asked) => {
    const { method, said, taken } = await compare(tinyPath, asked);
    expect(taken).toEqual(said);
    expect(method).toBe('exact');
  });

  it('says what two devices take at most', async () => {
    const split = { device: 'rpc0', tensorSplit: { rpc0: 1, rpc1: 3 } };
    const { method, said, taken } = await compare(tinyPath, split);
    // The library's simulation counts more of the last one than is then allocated, by about as much as an
    // attention mask.
    expect(method).toBe('formula');
    const { 'rpc1 compute': most, ...rest } = said;
    expect(taken).toEqual({ ...rest, 'rpc1 compute': taken['rpc1 compute'] });
    expect(taken['rpc1 compute']).toBeLessThanOrEqual(most!);
    expect(taken['rpc1 compute']).toBeGreaterThan(0.7 * most!);
  });

  it.each([{}, { flashAttention: 'off' }, ...offloaded] as const)(
    'counts a draft model where it lies, with %j',
    async (asked) => {
      const { said, taken } = await compare(tinyPath, { ...asked, draftModel: draftPath });
      expect(taken).toEqual(said);
    },
  );

  it.each([{}, { device: 'rpc0', gpuLayers: 2 }] as const)(
    'counts adapters, and no less than computing with them takes, with %j',
    async (asked) => {
      const options = optionsOf(asked);
      const { path } = await writeLora(folder, tinyPath, { rank: 8 });
      const adapters = [adapterFiles(path)];
      const [plain, with1] = [
        await driver.estimate!(filesOf(tinyPath), options),
        await driver.estimate!(filesOf(tinyPath), { ...options, adapters }),
      ];
      expect([plain.method, with1.method]).toEqual(['exact', 'formula']);
      const model = await driver.open(filesOf(tinyPath), { ...options, threads: 1 });
      const adapter = await model.loadAdapter!(adapters[0]!, {});
      const sequence = await model.createSequence();
      await sequence.setAdapters!([{ adapter, scale: 1 }]);
      await collect(sequence, [1, 2, 3, 4, 5], greedySpec(model, { maxTokens: 4 }));
      const [before, said] = [sums(plain.items), sums(with1.items)];
      const taken = sums(await (model as LlamaCppModel).memory());
      await model.close();
      const adapterBytes = with1.items
        .filter(({ purpose }) => purpose === 'adapters')
        .reduce((sum, { bytes }) => sum + bytes, 0);
      expect(adapterBytes).toBe(adapter.info.weightBytes);
      for (const key of Object.keys(before)) {
        expect([key, taken[key]! <= said[key]!]).toEqual([key, true]);
      }
    },
  );
});

type Used = Readonly<{
  sequences: number;
  engineOptions: Readonly<Record<string, unknown>>;
}>;
