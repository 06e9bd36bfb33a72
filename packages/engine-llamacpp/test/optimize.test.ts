import { type ModelFiles, type ModelStore, validateGgufFile } from '@mobillm/core';
import { compareTeacherForced, rejection } from '@mobillm/core/testing';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import type { LlamaCppAddon } from '../src/addon.js';
import {
  createLlamaCppDriver,
  optimizeModel,
  type OptimizeOptions,
  type OptimizeProgress,
} from '../src/index.js';
import { ModelHeaders } from '../src/model-header.js';
import { workBytes } from '../src/optimize/candidate-plans.js';
import { requirePlace } from '../src/optimize/result-paths.js';
import { defaultModelPath, filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const words = 'the heat of the sun is in the stones and the stones are in the thin air again';
/** A few hundred tokens of a vocabulary of bytes. */
const text = Array.from({ length: 12 }, (_, index) =>
  words
    .split(' ')
    .toSorted((a, b) => a.charCodeAt(index % a.length) - b.length)
    .join(' '),
).join('\n');

/** Small parts, so that a tiny model is done at once; no decision depends on the time. */
const quick = {
  ...{ text, threads: 1, windowTokens: 64, judgedTokens: 96, learnedTokens: 128 },
  ...{ minSpeedup: 0, maxPerplexityIncrease: Infinity },
} as const;

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('optimizing a model', () => {
  const root = temporaryFolder();
  let folder: string;
  let source: string;
  let output: string;
  let count = 0;

  beforeEach(async () => {
    folder = join(root, String(count++));
    mkdirSync(folder);
    source = join(folder, 'source.gguf');
    renameSync(await writeTinyModel(folder), source);
    chmodSync(source, 0o444);
    output = join(folder, 'new.gguf');
  });

  const optimize = (options: Partial<OptimizeOptions> = {}) =>
    optimizeModel(source, { ...quick, output, ...options });

  const formatsOf = async (path: string) => {
    const { tensors, metadata } = await validateGgufFile(path);
    return {
      formats: new Map(tensors.map(({ name, type }) => [name, type.name])),
      fileType: metadata.get('general.file_type')?.value,
    };
  };

  it('writes what it says and leaves the source as it is', async () => {
    const before = sha256(source);
    const report = await optimize({ target: 'Q8_0' });
    expect(sha256(source)).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(['new.gguf', 'source.gguf']);
    expect(report).toMatchObject({ decision: 'written', chosen: 'Q8_0', path: output, threads: 1 });
    expect(report.fileBytes).toBe(readFileSync(output).length);

    const { formats, fileType } = await formatsOf(output);
    expect(fileType).toBe(7);
    for (const [name, format] of formats) {
      expect([name, format]).toEqual([name, name.includes('norm') ? 'F32' : 'Q8_0']);
    }
    const [candidate] = report.candidates;
    expect(candidate).toMatchObject({ name: 'Q8_0' });
    expect(candidate!.bitsPerWeight).toBeLessThan(8.7);
    expect(report.source.bitsPerWeight).toBe(32);
    // Eight bits change little; that they change something shows that it was not the source itself.
    expect(candidate!.quality.divergence).toBeGreaterThan(1e-8);
    expect(candidate!.quality.divergence).toBeLessThan(1e-3);
    expect(candidate!.quality.sameBest).toBeGreaterThan(0.9);
    // Computed with other weights in memory, and from the file that was written.
    expect(candidate!.filePerplexity! / candidate!.quality.perplexity).toBeCloseTo(1, 3);
    expect(candidate!.quality.perplexity).toBeCloseTo(
      report.source.perplexity * (1 + candidate!.quality.perplexityIncrease),
      3,
    );
    expect(candidate!.speedup).toBeGreaterThan(0);
  });

  it('writes a file that an engine reads as the source, where the source is sure', async () => {
    await optimize({ target: 'Q8_0' });
    const driver = await createLlamaCppDriver();
    const open = async (path: string) => ({
      model: await driver.open(filesOf(path), {
        ...{ contextTokens: 128, sequences: 1, threads: 1 },
        engineOptions: {},
      }),
      capabilities: driver.capabilities,
    });
    const [reference, candidate] = [await open(source), await open(output)];
    const { compared } = await compareTeacherForced({
      ...{ reference, candidate },
      ...{ prompts: ['the sun', 'thin air'], steps: 16, margin: 0.2 },
    });
    expect(compared).toBeGreaterThan(8);
    for (const { model } of [reference, candidate]) await model.close();
    await driver.close?.();
  });

  it('keeps the numbers exact where they are written in the same format again', async () => {
    await optimize({ target: 'Q8_0' });
    const again = join(folder, 'again.gguf');
    // Fewer bits for one tensor less than before: what is not planned is copied byte by byte.
    await optimizeModel(output, { ...quick, target: 'Q4_0', output: again });
    const [first, second] = [await validateGgufFile(output), await validateGgufFile(again)];
    const bytesOf = (path: string, layout: typeof first, name: string) => {
      const { offset, byteLength } = layout.tensors.find((tensor) => tensor.name === name)!;
      return readFileSync(path).subarray(offset, offset + byteLength);
    };
    for (const { name } of first.tensors.filter((tensor) => /norm|^output\./u.test(tensor.name))) {
      expect(bytesOf(again, second, name).equals(bytesOf(output, first, name))).toBe(true);
    }
    const { formats } = await formatsOf(again);
    // The output keeps what Q6_K would take, which rows of 64 do not fit.
    expect(formats.get('output.weight')).toBe('Q8_0');
    expect(formats.get('blk.0.ffn_down.weight')).toBe('Q4_0');
    expect([...second.metadata.keys()]).toEqual(expect.arrayContaining([...first.metadata.keys()]));
  });

  it('writes nothing where it does not pay, and says why', async () => {
    const slow = await optimize({ target: 'auto', minSpeedup: 1e9 });
    expect(slow).toMatchObject({ decision: 'kept' });
    expect(slow.path).toBeUndefined();
    expect(slow.candidates.length).toBeGreaterThan(2);
    for (const { rejected, name } of slow.candidates) {
      expect(rejected).toMatch(/times as fast as the source, and 1000000000 is the least/u);
      expect(slow.reason).toContain(`${name}: `);
    }
    // Random weights are as likely to gain by other ones: these lose clearly.
    const other = await writeTinyModel(folder, { seed: 10 });
    const far = await optimizeModel(other, {
      ...{ ...quick, output, target: 'Q4_0', maxPerplexityIncrease: 0 },
    });
    expect(far.candidates[0]!.quality.perplexityIncrease).toBeGreaterThan(0);
    expect(far.candidates[0]!.speed).toBeUndefined();
    expect(far).toMatchObject({ decision: 'kept' });
    expect(far.reason).toMatch(/Q4_0: Its perplexity is .*, and \+0\.0 % is the most/u);
    expect(readdirSync(folder).sort()).toEqual(['source.gguf', basename(other)].sort());
  });

  it('finds nothing to do where every format would be larger', async () => {
    await optimize({ target: 'Q4_0' });
    const report = await optimizeModel(output, {
      ...{ ...quick, target: 'Q8_0', output: join(folder, 'larger.gguf') },
    });
    expect(report).toMatchObject({ decision: 'kept', candidates: [] });
  });

  it('rounds with more care what the text uses more', async () => {
    const careless = await optimize({ target: 'Q4_0', importance: 'none', minSpeedup: 1e9 });
    const careful = await optimize({ target: 'Q4_0', minSpeedup: 1e9 });
    const divergence = ({ candidates }: typeof careful) => candidates[0]!.quality.divergence;
    expect(divergence(careful)).toBeLessThan(divergence(careless));
  });

  describe('under a budget', () => {
    it('gives each tensor a format by what it costs, within the bytes', async () => {
      const target = { bitsPerWeight: 6 };
      const report = await optimize({ target, sensitivityTokens: 64, layerBands: 2 });
      expect(report).toMatchObject({ decision: 'written' });
      const mixed = report.candidates.find(({ name }) => name === 'mixed')!;
      expect(mixed.bitsPerWeight).toBeLessThanOrEqual(6);
      expect(Object.keys(mixed.bytesByFormat).length).toBeGreaterThan(2);
      // Uniform files that fit are tried, too, and the nearest to the source is taken.
      const divergences = report.candidates.map(({ quality }) => quality.divergence);
      const chosen = report.candidates.find(({ name }) => name === report.chosen)!;
      expect(report.candidates.length).toBeGreaterThan(1);
      expect(chosen.quality.divergence).toBe(Math.min(...divergences));

      const { tensors } = await validateGgufFile(output);
      const bytes: Record<string, number> = {};
      for (const { type, byteLength } of tensors) {
        bytes[type.name] = (bytes[type.name] ?? 0) + byteLength;
      }
      expect(bytes).toEqual(chosen.bytesByFormat);

      // Seven kinds in each of two bands, the embedding and the output, each measured.
      expect(report.sensitivity).toHaveLength(7 * 2 + 2);
      expect(report.sensitivity!.map(({ group }) => group)).toContain('ffn_down, layers 1–1');
      for (const { divergence, savedBytes } of report.sensitivity!) {
        expect(divergence).toBeGreaterThan(0);
        expect(savedBytes).toBeGreaterThan(0);
      }
    });

    it('holds to the bytes of a file', async () => {
      const fileBytes = Math.round(readFileSync(source).length / 5);
      const report = await optimize({ target: { fileBytes }, sensitivityTokens: 64 });
      expect(report.fileBytes).toBeLessThanOrEqual(fileBytes);
      expect(report.fileBytes).toBe(readFileSync(output).length);
      // What is left over would not pay for a larger format anywhere.
      expect(report.fileBytes).toBeGreaterThan(fileBytes * 0.9);
    });

    it('keeps a source that is small enough', async () => {
      const report = await optimize({ target: { bitsPerWeight: 32 } });
      expect(report).toMatchObject({ decision: 'kept', candidates: [] });
    });
  });

  it('gives the file to a store, and takes it back where that fails', async () => {
    const taken: string[] = [];
    const stored = { name: 'small' } as Awaited<ReturnType<ModelStore['add']>>;
    const store: Pick<ModelStore, 'add'> = {
      add: (path, options) => {
        expect(options).toEqual({
          name: 'small',
          placement: 'move',
          derivedFrom: { name: 'large', sha256: 'ab'.repeat(32) },
        });
        taken.push(path);
        renameSync(path, join(root, 'in-store.gguf'));
        return Promise.resolve({ ...stored, files: { format: 'gguf', files: [] } } as never);
      },
    };
    const options = { ...quick, target: 'Q8_0', store, name: 'small', folder } as const;
    const sha256 = 'ab'.repeat(32);
    const files: ModelFiles = {
      format: 'gguf',
      name: 'large',
      files: [{ path: source, role: 'weights', sha256 }],
    };
    const report = await optimizeModel(files, options);
    expect(report.stored).toMatchObject(stored);
    expect(taken).toEqual([join(folder, 'small.gguf')]);
    expect(readdirSync(folder)).toEqual(['source.gguf']);

    const refused = new Error('the store is full');
    const error = await rejection(
      optimizeModel(source, { ...options, store: { add: () => Promise.reject(refused) } }),
    );
    expect(error).toBe(refused);
    expect(readdirSync(folder)).toEqual(['source.gguf']);
  });

  it.each(['learning', 'judging', 'writing', 'timing'] as const)(
    'leaves nothing when it is stopped while %s',
    async (phase) => {
      for (const stopping of ['signal', 'throw'] as const) {
        const stop = new AbortController();
        const reason = new Error(`stopped by ${stopping}`);
        const onProgress = (progress: OptimizeProgress) => {
          if (progress.phase !== phase) return;
          if (stopping === 'throw') throw reason;
          stop.abort(reason);
        };
        const running = optimize({ target: 'Q4_0', signal: stop.signal, onProgress });
        expect(await rejection(running)).toBe(reason);
        expect(readdirSync(folder)).toEqual(['source.gguf']);
      }
    },
  );

  it('leaves nothing when its thread is terminated while it writes', () => {
    const program = fileURLToPath(new URL('./fixtures/requantize.mjs', import.meta.url));
    const addon = fileURLToPath(new URL('../build/Release/mobillm_llamacpp.node', import.meta.url));
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, addon, defaultModelPath, empty],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ before: ['new.partial'], after: [] });
  });

  it('refuses a name that is taken, and a folder that is not there', async () => {
    writeFileSync(output, 'mine');
    expect(await rejection(optimize({ target: 'Q8_0' }))).toMatchObject({
      code: 'IO_FAILED',
      details: { path: output },
    });
    expect(readFileSync(output, 'utf8')).toBe('mine');
    // Taken while it worked.
    const late = join(folder, 'late.gguf');
    const running = optimize({
      ...{ target: 'Q8_0', output: late },
      onProgress: ({ phase }) => phase === 'timing' && writeFileSync(late, 'mine, too'),
    });
    expect(await rejection(running)).toMatchObject({ code: 'IO_FAILED' });
    expect(readFileSync(late, 'utf8')).toBe('mine, too');
    expect(readdirSync(folder).sort()).toEqual(['late.gguf', 'new.gguf', 'source.gguf']);
  });

  it('finds out before it works that nothing can be written there', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, 'mine');
    const taken = join(folder, 'taken');
    mkdirSync(taken);
    const never = { onProgress: () => expect.unreachable('has begun') };
    const places = [
      [join(folder, 'nowhere', 'new.gguf'), /folder that can be written to/u],
      [join(file, 'new.gguf'), /folder that can be written to/u],
      ...(process.platform === 'linux' ? [['/proc/new.gguf', /Writing \/proc/u] as const] : []),
      [taken, /There is a file .*taken already/u],
    ] as const;
    for (const [output, message] of places) {
      const error = await rejection(optimize({ target: 'Q8_0', output, ...never }));
      expect(error).toMatchObject({
        code: 'IO_FAILED',
        message: expect.stringMatching(message) as string,
      });
    }
    for (const [output, message] of [
      [taken, /taken is no file/u],
      [source, /is the source itself/u],
    ] as const) {
      const error = await rejection(
        optimize({ target: 'Q8_0', output, overwrite: true, ...never }),
      );
      expect(error).toMatchObject({
        code: 'IO_FAILED',
        message: expect.stringMatching(message) as string,
      });
    }
    expect(readdirSync(folder).sort()).toEqual(['file', 'source.gguf', 'taken']);
  });

  it('replaces a file where it is told to', async () => {
    writeFileSync(output, 'an older one');
    const { path, fileBytes } = await optimize({ target: 'Q8_0', overwrite: true });
    expect(path).toBe(output);
    expect(statSync(output).size).toBe(fileBytes);
    expect(readdirSync(folder).sort()).toEqual(['new.gguf', 'source.gguf']);
  });

  it('asks for room for what it will write', async () => {
    const layout = await validateGgufFile(source);
    const formats = ['Q8_0', 'Q4_0', 'Q6_K'] as const;
    const written = await optimize({ target: 'Q8_0' });
    const one = workBytes(layout, { target: 'Q8_0', formats });
    // But for the entries of the header that are new, and the space between tensors.
    expect(Math.abs(one - (written.fileBytes ?? 0))).toBeLessThan(2048);
    const two = workBytes(layout, { target: 'auto', formats });
    // Q6_K does not fit rows this short, and is Q8_0 here.
    expect(two).toBe(one + workBytes(layout, { target: 'Q4_0', formats }));
    expect(workBytes(layout, { target: { fileBytes: 1e12 }, formats })).toBe(0);
    const half = Math.floor(statSync(source).size / 2);
    const budget = workBytes(layout, { target: { fileBytes: half }, formats });
    expect(budget).toBeGreaterThan(half - 10_000);
    expect(budget).toBeLessThanOrEqual(half);
  });

  it('says what room there is where it is too little', async () => {
    const addon = createRequire(import.meta.url)(
      fileURLToPath(new URL('../build/Release/mobillm_llamacpp.node', import.meta.url)),
    ) as LlamaCppAddon;
    const header = await new ModelHeaders(addon).read(filesOf(source));
    const paths = { name: 'new', final: output, work: `${output}.x` };
    const error = await rejection(
      requirePlace(addon, header, paths, { bytes: 2 ** 52, overwrite: false }),
    );
    expect(error).toMatchObject({
      code: 'IO_FAILED',
      details: { neededBytes: 2 ** 52, availableBytes: expect.any(Number) as number },
    });
    expect(readdirSync(folder)).toEqual(['source.gguf']);
  });

  it('refuses damaged files and weights that are no numbers', async () => {
    const broken = join(folder, 'broken.gguf');
    writeFileSync(broken, readFileSync(source).subarray(0, 3000));
    const options = { ...quick, target: 'Q8_0', output } as const;
    expect(await rejection(optimizeModel(broken, options))).toMatchObject({
      code: 'MODEL_INVALID',
    });
    const infinite = join(folder, 'infinite.gguf');
    copyFileSync(source, infinite);
    chmodSync(infinite, 0o644);
    const { tensors } = await validateGgufFile(infinite);
    const bytes = readFileSync(infinite);
    // A row of the embedding that the text does not use.
    const { offset, byteLength } = tensors.find(({ name }) => name === 'token_embd.weight')!;
    bytes.writeFloatLE(Infinity, offset + byteLength - 4);
    writeFileSync(infinite, bytes);
    expect(await rejection(optimizeModel(infinite, options))).toMatchObject({
      code: 'MODEL_INVALID',
    });
    expect(readdirSync(folder).sort()).toEqual(['broken.gguf', 'infinite.gguf', 'source.gguf']);
  });

  it('refuses options that make no sense, by their keys', async () => {
    for (const [key, options] of [
      ['text', { text: 'too short' }],
      ['text', { text: undefined }],
      ['output', { output: undefined }],
      ['output', { store: { add: () => Promise.reject(new Error('never')) } }],
      ['name', { name: 'x' }],
      ['target', { target: 'Q9_9' }],
      ['target', { target: {} }],
      ['target', { target: { fileBytes: 1, bitsPerWeight: 1 } }],
      ['target', { target: { bitsPerWeight: 1 } }],
      ['formats[0]', { formats: ['F64'] }],
      ['minSpeedup', { minSpeedup: -1 }],
      ['windowTokens', { windowTokens: 1 << 20 }],
      ['speed', { speed: 1 }],
    ] as const) {
      const error = await rejection(optimize(options as unknown as Partial<OptimizeOptions>));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', key });
    }
    expect(readdirSync(folder)).toEqual(['source.gguf']);
  });
});
