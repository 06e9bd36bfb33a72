import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { EngineDriver, MobillmError, ModelDriver } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, createLlamaCppEngine } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);

const openOptions = { contextTokens: 128, sequences: 1, threads: 1, engineOptions: {} } as const;

describe('bad input', () => {
  let driver: EngineDriver;

  beforeAll(async () => {
    driver = await createLlamaCppDriver();
  });
  afterAll(() => driver.close?.());

  const failure = (running: Promise<unknown>): Promise<unknown> =>
    running.then(
      () => 'nothing was thrown',
      (error: unknown) => error,
    );
  const place = (name: string, content: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  describe('a file that is no model', () => {
    const tiny = readFileSync(tinyPath);
    const cut = join(folder, 'cut.gguf');
    copyFileSync(tinyPath, cut);
    truncateSync(cut, tiny.length - 1000);
    mkdirSync(join(folder, 'folder.gguf'));
    const cases = {
      'is missing': [join(folder, 'missing.gguf'), 'FILE_NOT_FOUND'],
      'is a folder': [join(folder, 'folder.gguf'), 'FILE_NOT_FOUND'],
      'is empty': [place('empty.gguf', ''), 'MODEL_INVALID'],
      'is text': [place('text.gguf', 'This is no model at all.\n'.repeat(100)), 'MODEL_INVALID'],
      'lacks its last tensor': [cut, 'MODEL_INVALID'],
      'ends inside its header': [place('header.gguf', tiny.subarray(0, 500)), 'MODEL_INVALID'],
      'claims a string of exabytes': [
        place('string.gguf', withUint64(tiny, 24, 0x0fff_ffff_ffff_ffffn)),
        'MODEL_INVALID',
      ],
      'claims more tensors than bytes': [
        place('tensors.gguf', withUint64(tiny, 8, 1n << 40n)),
        'MODEL_INVALID',
      ],
    } as const;

    it.each(Object.entries(cases))('%s', async (_what, [path, code]) => {
      for (const call of [
        () => driver.inspect(filesOf(path)),
        () => driver.estimate!(filesOf(path), openOptions),
        () => driver.open(filesOf(path), openOptions),
      ]) {
        const error = await failure(call());
        expect(error).toMatchObject({ name: 'MobillmError', code });
        expect((error as Error).message).toMatch(/\w{3,} .*\.$/s);
      }
    });
  });

  it('names an architecture that the library does not know', async () => {
    const path = await writeTinyModel(folder, {
      metadata: {
        'general.architecture': 'octopus',
        'octopus.context_length': { type: 'uint32', value: 64 },
      },
    });
    expect(await failure(driver.open(filesOf(path), openOptions))).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { architecture: 'octopus' },
    });
  });

  it('says of a vocabulary without bytes that it is not whole', async () => {
    const path = await writeTinyModel(folder, { metadata: { 'tokenizer.ggml.model': 'llama' } });
    expect(await failure(driver.open(filesOf(path), openOptions))).toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('no token for a byte of the text') as string,
    });
  });

  it('refuses a context larger than the memory before it allocates any of it', async () => {
    const path = await writeTinyModel(folder, {
      metadata: { 'llama.context_length': { type: 'uint32', value: 0x7fff_0000 } },
    });
    const before = process.memoryUsage.rss();
    const contextTokens = 0x7fff_0000;
    const error = await failure(driver.open(filesOf(path), { ...openOptions, contextTokens }));
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', details: { contextTokens } });
    const { neededBytes, availableBytes } = (error as MobillmError).details as Record<
      string,
      number
    >;
    expect(neededBytes).toBeGreaterThan(availableBytes!);
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
  });

  it('refuses more threads than there are processors', async () => {
    expect(
      await failure(driver.open(filesOf(tinyPath), { ...openOptions, threads: 4096 })),
    ).toMatchObject({ name: 'RangeError', code: 'INVALID_ARGUMENT', key: 'threads' });
    const model = await driver.open(filesOf(tinyPath), {
      ...openOptions,
      threads: availableParallelism(),
    });
    expect(model.placement().threads).toBe(availableParallelism());
    await model.close();
  });

  it.each([
    [{ batchTokens: 0 }, 'RangeError', 'engineOptions.batchTokens'],
    [{ batchTokens: 1.5 }, 'TypeError', 'engineOptions.batchTokens'],
    [{ flashAttention: true }, 'TypeError', 'engineOptions.flashAttention'],
    [{ keyType: 'q2' }, 'TypeError', 'engineOptions.keyType'],
    [{ weights: 'swapped' }, 'TypeError', 'engineOptions.weights'],
    [{ gpuLayers: 5 }, 'RangeError', 'engineOptions.gpuLayers'],
  ])('names the bad key of engineOptions %j', async (engineOptions, name, key) => {
    const error = await failure(driver.open(filesOf(tinyPath), { ...openOptions, engineOptions }));
    expect(error).toMatchObject({ name, code: 'INVALID_ARGUMENT', key });
  });

  it.each([
    [{ log: 'loud' }, 'TypeError', 'log'],
    [{ logLevel: 'chatty' }, 'TypeError', 'logLevel'],
    [{ addon: 5 }, 'TypeError', 'addon'],
    [{ threads: 5 }, 'RangeError', 'threads'],
  ])('names the bad key of the factory options %j', async (options, name, key) => {
    expect(await failure(createLlamaCppEngine(options as object))).toMatchObject({
      name,
      code: 'INVALID_ARGUMENT',
      key,
    });
  });

  it('says where an addon was looked for that is not there', async () => {
    const addon = join(folder, 'no.node');
    expect(await failure(createLlamaCppDriver({ addon }))).toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: { searched: [addon] },
    });
  });

  describe('an open model', () => {
    let model: ModelDriver;
    beforeAll(async () => {
      model = await driver.open(filesOf(tinyPath), openOptions);
    });
    afterAll(() => model.close());

    it.each([
      ['no tokens', [], 'RangeError', 'tokens'],
      ['a negative token', [1, -1], 'RangeError', 'tokens[1]'],
      ['a token past the vocabulary', [1, 2, 100_000], 'RangeError', 'tokens[2]'],
      ['a token that is no integer', [0.5], 'TypeError', 'tokens[0]'],
      ['a token that is a text', ['a'], 'TypeError', 'tokens[0]'],
    ])('refuses %s and goes on', async (_what, tokens, name, key) => {
      const sequence = await model.createSequence();
      expect(await failure(collect(sequence, tokens as number[], greedySpec(model)))).toMatchObject(
        { name, code: 'INVALID_ARGUMENT', key },
      );
      const { tokens: sampled } = await collect(
        sequence,
        [1, 2, 3],
        greedySpec(model, { maxTokens: 2, endTokens: new Set() }),
      );
      expect(sampled).toHaveLength(2);
      await sequence.close();
    });

    it('refuses a bias of a token past the vocabulary', async () => {
      const sequence = await model.createSequence();
      const spec = greedySpec(model);
      const sampling = { ...spec.sampling, logitBias: [{ token: 100_000, bias: 1 }] };
      expect(await failure(collect(sequence, [1], { ...spec, sampling }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        key: 'sampling.logitBias.token',
      });
      await sequence.close();
    });

    it('refuses a prompt longer than the context, with both counts', async () => {
      const sequence = await model.createSequence();
      const tokens = Array.from({ length: 129 }, () => 5);
      expect(await failure(collect(sequence, tokens, greedySpec(model)))).toMatchObject({
        code: 'CONTEXT_FULL',
        details: { promptTokens: 129, contextTokens: 128 },
      });
      await sequence.close();
    });
  });

  it('keeps two engines of one process apart', async () => {
    const engines = await Promise.all([createLlamaCppEngine(), createLlamaCppEngine()]);
    const [first, second] = await Promise.all(
      engines.map((engine) => engine.open(tinyPath, { contextTokens: 128, threads: 1 })),
    );
    await engines[0].close();
    expect(() => first!.tokenizer.encode('a')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    const { tokens } = await second!.generate({ prompt: 'a', maxTokens: 3, temperature: 0 });
    expect(tokens.length).toBeGreaterThan(0);
    await engines[1].close();
  });
});

/** A copy with eight bytes replaced by a little-endian number. */
function withUint64(bytes: Buffer, offset: number, value: bigint): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(value, offset);
  return copy;
}
