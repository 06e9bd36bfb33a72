import { createEngine, type EngineDriver, type ModelDriver } from '@mobillm/core';
import { compareTeacherForced, tinyBert } from '@mobillm/core/testing';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, type RpcServer, startRpcServer } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

/** Rounds as the CPU alone does, whatever the shape of a step. */
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', repack: 'off' };

const layers = 4;
const tokens = Array.from({ length: 40 }, (_, index) => (index * 37) % 250);

describe('two RPC servers on this machine', () => {
  const folder = temporaryFolder();
  const servers: RpcServer[] = [];
  let driver: EngineDriver;
  let path: string;

  beforeAll(async () => {
    path = await writeTinyModel(folder, { layers });
    servers.push(...(await Promise.all([startRpcServer(), startRpcServer()])));
    driver = await createLlamaCppDriver({ rpc: servers.map(({ endpoint }) => endpoint) });
  });

  afterAll(async () => {
    await driver.close?.();
    await Promise.all(servers.map((server) => server.close()));
  });

  const open = (device: string, engineOptions: Readonly<Record<string, unknown>> = {}) =>
    driver.open(filesOf(path), {
      ...{ contextTokens: 256, sequences: 2, threads: 1, device },
      engineOptions: { ...exact, ...engineOptions },
    });

  const withModels = async (
    engineOptions: Readonly<Record<string, unknown>>,
    use: (remote: ModelDriver, local: ModelDriver) => Promise<void>,
  ) => {
    const local = await open('cpu');
    const remote = await open('rpc0', engineOptions);
    try {
      await use(remote, local);
    } finally {
      await remote.close();
      await local.close();
    }
  };

  it('are listed as devices behind those of this machine', () => {
    expect(driver.devices.slice(-2)).toEqual(
      servers.map(({ endpoint }, index) => ({
        id: `rpc${index}`,
        kind: 'gpu',
        name: endpoint,
        backend: 'RPC',
        memoryTotalBytes: expect.any(Number) as number,
        memoryFreeBytes: expect.any(Number) as number,
        ownMemory: true,
      })),
    );
  });

  it.each([
    [{ gpuLayers: 'all' }, { rpc0: 4 }],
    [{ gpuLayers: 3 }, { cpu: 1, rpc0: 3 }],
    [{ gpuLayers: 0 }, { cpu: 4 }],
    [{ tensorSplit: { rpc0: 1, rpc1: 1 } }, { rpc0: 2, rpc1: 2 }],
    [
      { tensorSplit: { rpc1: 3, rpc0: 1 }, gpuLayers: 'auto' },
      { rpc1: 3, rpc0: 1 },
    ],
  ])('with %j hold %j, and compute what the CPU does to the bit', (engineOptions, expected) =>
    withModels(engineOptions, async (remote, local) => {
      expect(remote.placement().layersByDevice).toEqual(expected);
      const side = (model: ModelDriver) => ({ model, capabilities: driver.capabilities });
      const compared = await compareTeacherForced({
        ...{ reference: side(local), candidate: side(remote) },
        ...{ prompts: [tokens, [1, 2, 3]], steps: 12, margin: 0 },
      });
      expect(compared).toEqual({ compared: 24, skipped: 0, largestDifference: 0 });
    }),
  );

  it('give a cache to the CPU and take one from it', () =>
    withModels({ tensorSplit: { rpc0: 1, rpc1: 1 } }, async (remote, local) => {
      for (const [from, to] of [
        [remote, local],
        [local, remote],
      ] as const) {
        const [source, target, alone] = [
          await from.createSequence(),
          await to.createSequence(),
          await to.createSequence(),
        ];
        await collect(source, tokens, greedySpec(from, { maxTokens: 0, keepLogits: true }));
        await target.importKv!(await source.exportKv!());
        const spec = greedySpec(to, { maxTokens: 12, endTokens: new Set() });
        expect(await collect(target, [], spec)).toEqual(await collect(alone, tokens, spec));
        await Promise.all([source, target, alone].map((sequence) => sequence.close()));
      }
    }));

  it('are in the estimate, each with its part', async () => {
    const estimate = (engineOptions: object) =>
      driver.estimate!(filesOf(path), {
        ...{ contextTokens: 256, sequences: 2, device: 'rpc0' },
        engineOptions: { ...exact, ...engineOptions },
      });
    const { items, method } = await estimate({ tensorSplit: { rpc0: 1, rpc1: 1 } });
    const bytesOf = (device: string, purpose: string) =>
      items.find((item) => item.device === device && item.purpose === purpose)?.bytes;
    expect(method).toBe('formula');
    // 4 layers × 256 tokens × 2 heads of 16 × (key + value) × 4 bytes, half on each server.
    expect(bytesOf('rpc0', 'kv-cache')).toBe(2 * 256 * 32 * 2 * 4);
    expect(bytesOf('rpc1', 'kv-cache')).toBe(2 * 256 * 32 * 2 * 4);
    expect(bytesOf('cpu', 'kv-cache')).toBeUndefined();
    expect(bytesOf('rpc0', 'weights')).toBeGreaterThan(2 * (64 * 64 + 3 * 64 * 128) * 4);
    const local = await estimate({ gpuLayers: 0 });
    expect(new Set(local.items.map(({ device }) => device))).toEqual(new Set(['cpu']));
  });

  it('have a part of the room for vectors, each the same', async () => {
    const estimate = (embedTokens: number) =>
      driver.estimate!(filesOf(path), {
        ...{ contextTokens: 256, sequences: 2, device: 'rpc0' },
        engineOptions: { ...exact, embedTokens, tensorSplit: { rpc0: 1, rpc1: 1 } },
      });
    const [without, withRoom] = [await estimate(0), await estimate(256)];
    const more = (device: string, purpose: string) => {
      const [before, after] = [without, withRoom].map(
        ({ items }) =>
          items.find((item) => item.device === device && item.purpose === purpose)?.bytes ?? 0,
      );
      return after! - before!;
    };
    expect(withRoom.method).toBe('formula');
    // 2 layers × 256 tokens × 2 heads of 16 × (key + value) × 4 bytes.
    expect(more('rpc0', 'kv-cache')).toBe(2 * 256 * 32 * 2 * 4);
    expect(more('rpc1', 'kv-cache')).toBe(2 * 256 * 32 * 2 * 4);
    expect(more('rpc0', 'compute')).toBeGreaterThan(0);
    expect(more('cpu', 'output')).toBeGreaterThan(0);
    for (const device of ['cpu', 'rpc0', 'rpc1']) expect(more(device, 'weights')).toBe(0);
  });

  it('compute vectors and scores as the CPU does, of encoders and of models that generate', async () => {
    const encoder = join(folder, 'encoder.gguf');
    writeFileSync(encoder, tinyBert({ ranks: true }).gguf);
    const engine = createEngine(driver);
    const texts = ['the cat sat on the mat.', 'sun', 'the moon, the sun and the cat'];
    const split = { tensorSplit: { rpc0: 1, rpc1: 1 } };
    for (const [file, layersByDevice] of [
      [encoder, { rpc0: 1, rpc1: 1 }],
      [path, { rpc0: 2, rpc1: 2 }],
    ] as const) {
      const [local, remote] = await Promise.all([
        engine.open(file, { device: 'cpu', threads: 1, engineOptions: exact }),
        engine.open(file, { device: 'rpc0', threads: 1, engineOptions: { ...exact, ...split } }),
      ]);
      expect(remote.placement.layersByDevice).toEqual(layersByDevice);
      expect(await remote.embed(texts)).toEqual(await local.embed(texts));
      if (file === encoder) {
        expect(await remote.rerank('the cat', texts)).toEqual(await local.rerank('the cat', texts));
      }
      await remote.close();
      await local.close();
    }
  });

  it('refuse more layers than the model has', async () => {
    await expect(open('rpc0', { gpuLayers: 5 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('must be at most 4, the layers of this model') as string,
    });
    await expect(open('rpc0', { tensorSplit: { rpc1: 1 } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('does not name "rpc0"') as string,
    });
  });
});

describe('an engine that is told of an RPC server', () => {
  const listening: Server[] = [];
  /** Listens and answers what comes with some bytes, or with none. */
  const pretend = (answer: Buffer | undefined) =>
    new Promise<string>((resolve) => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', () => answer && socket.write(answer));
      }).listen(0, '127.0.0.1', () => {
        listening.push(server);
        const address = server.address();
        resolve(`127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
      });
    });

  afterAll(() => listening.forEach((server) => server.close()));

  it('says where nothing answers', async () => {
    const server = await startRpcServer();
    await server.close();
    await server.close();
    await expect(createLlamaCppDriver({ rpc: [server.endpoint] })).rejects.toMatchObject({
      code: 'IO_FAILED',
      retryable: true,
      message: expect.stringContaining(`No RPC server answers at ${server.endpoint}`) as string,
    });
  });

  it('refuses what speaks another version, or is none', async () => {
    const other = Buffer.alloc(8 + 28);
    other.writeBigUInt64LE(28n, 0);
    other.writeUInt8(6, 8);
    for (const answer of [other, Buffer.from('HTTP/1.1 400 Bad Request\r\n')]) {
      const endpoint = await pretend(answer);
      await expect(createLlamaCppDriver({ rpc: [endpoint] })).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        details: { endpoint },
      });
    }
  });

  it('says that a server which serves somebody else is busy', async () => {
    const endpoint = await pretend(undefined);
    await expect(createLlamaCppDriver({ rpc: [endpoint] })).rejects.toMatchObject({
      code: 'BUSY',
      retryable: true,
    });
  });

  it.each(['localhost', ':50052', 'host:0', 'host:65536', '::1:50052', 'a b:1'])(
    'refuses the address %j',
    async (endpoint) => {
      await expect(createLlamaCppDriver({ rpc: [endpoint] })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('"rpc[0]": must be host:port') as string,
      });
    },
  );
});

describe('an RPC server', () => {
  it('listens where other machines reach it only when told that they are trusted', async () => {
    await expect(startRpcServer({ host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining("Say network: 'trusted'") as string,
    });
    const server = await startRpcServer({ host: '0.0.0.0', network: 'trusted' });
    await server.close();
  });

  it('says when it cannot listen, and rejects with the reason of a signal', async () => {
    await using server = await startRpcServer();
    const port = Number(server.endpoint.split(':')[1]);
    await expect(startRpcServer({ port, host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'IO_FAILED',
    });
    const controller = new AbortController();
    const starting = startRpcServer({ signal: controller.signal });
    controller.abort(new Error('not now'));
    await expect(starting).rejects.toThrow('not now');
  });
});
