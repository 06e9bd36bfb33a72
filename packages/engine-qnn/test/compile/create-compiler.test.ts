import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ggufLineage, type CompileProgress, type ModelFiles } from '@mobillm/core';
import { rejection, tinyLlamaGguf, withSequence } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { emulatorPin } from '../../scripts/emulator-pin.mjs';
import { createQnnCompiler } from '../../src/compile/index.js';
import { createQnnDriver } from '../../src/index.js';
import { parseManifest } from '../../src/manifest/parse-manifest.js';
import { sample } from '../support/driving.js';
import '../support/emulator.js';
import { temporaryFolder } from '../support/folders.js';
import { manifestPathOf, writeTinyModel } from '../support/models.js';

const folder = temporaryFolder();
const source = writeTinyModel(folder);
const compiler = createQnnCompiler();
const compilerOptions = { chunkTokens: 8, contextTokens: 64 } as const;

let count = 0;
const place = () => join(folder, `model-${count++}`);
const manifestOf = (files: ModelFiles) => {
  const path = manifestPathOf(files);
  return parseManifest(readFileSync(path, 'utf8'), path);
};
const canGenerate = async (files: ModelFiles): Promise<void> => {
  const driver = await createQnnDriver();
  const options = { contextTokens: 64, sequences: 1, threads: 1, engineOptions: {} };
  const model = await driver.open(files, options);
  const tokens = await withSequence(model, (sequence) =>
    sample(sequence, [1, 2, 3], { maxTokens: 3 }),
  );
  expect(tokens).toHaveLength(3);
  await model.close();
  await driver.close?.();
};

describe('the compiler', () => {
  it('writes a folder that the engine opens, and says what it made it from and with', async () => {
    const path = place();
    const files = await compiler.compile(source, { folder: path, compilerOptions });
    const manifest = manifestOf(files);
    const { parameterCount, ...parameters } = manifest.parameters;
    expect(parameterCount).toBeGreaterThan(50_000);
    expect(parameters).toEqual({
      layers: 2,
      embeddingLength: 64,
      feedForwardLength: 128,
      heads: 4,
      kvHeads: 2,
      headLength: 16,
      vocabularySize: 267,
      rmsEpsilon: Math.fround(1e-5),
      ropeBase: 10_000,
      ropeScale: 1,
      trainedContextTokens: 2048,
    });
    expect(manifest).toMatchObject({
      name: 'Tiny Llama of random weights',
      derivedFrom: await ggufLineage(source),
      contextTokens: 64,
      graphs: [{ tokens: 8 }, { tokens: 1 }],
      madeWith: { buildId: emulatorPin.buildId },
      sharedWeights: false,
    });
    expect(readdirSync(path).sort()).toEqual(
      [
        'qnn-model.json',
        'tokenizer.json',
        'tokenizer_config.json',
        manifest.binaries[0].file,
      ].sort(),
    );
    expect(files.files.map(({ role }) => role)).toEqual([
      'weights',
      'weights',
      'tokenizer',
      'config',
    ]);
    expect(files.files.every((file) => existsSync(file.path))).toBe(true);
    await canGenerate(files);
  });

  it('tells its progress at least once a second, never falling, up to 1', async () => {
    const told: (CompileProgress & { readonly at: number })[] = [];
    const startedAt = performance.now();
    await compiler.compile(source, {
      folder: place(),
      compilerOptions,
      onProgress: (progress) => told.push({ ...progress, at: performance.now() }),
    });
    const times = [startedAt, ...told.map(({ at }) => at), performance.now()];
    const gaps = times.slice(1).map((at, index) => at - times[index]!);
    expect(Math.max(...gaps)).toBeLessThan(1000);
    const shares = told.map(({ share }) => share);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    expect(told.every(({ step }) => /^\w.*\w$/.test(step))).toBe(true);
  });

  it('returns what it finds compiled of the same source with the same options', async () => {
    const path = place();
    const first = await compiler.compile(source, { folder: path, compilerOptions });
    const stamp = () => first.files.map((file) => statSync(file.path).mtimeMs);
    const before = stamp();
    const told: string[] = [];
    const second = await compiler.compile(source, {
      folder: path,
      compilerOptions,
      onProgress: ({ step }) => told.push(step),
    });
    expect(second).toEqual(first);
    expect(stamp()).toEqual(before);
    expect(told.at(-1)).toBe('found compiled already');
  });

  it.each([
    [
      'other options',
      (_path: string) => ({ source, options: { ...compilerOptions, chunkTokens: 4 } }),
    ],
    [
      'another source',
      (_path: string) => ({ source: writeTinyModel(folder, 2), options: compilerOptions }),
    ],
    [
      'a binary that was changed',
      (path: string) => {
        const name = readdirSync(path).find((file) => file.endsWith('.bin'))!;
        const bytes = readFileSync(join(path, name));
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(join(path, name), bytes);
        return { source, options: compilerOptions };
      },
    ],
  ])('compiles again for %s, and leaves one model', async (_what, change) => {
    const path = place();
    const first = manifestOf(await compiler.compile(source, { folder: path, compilerOptions }));
    const changed = change(path);
    const files = await compiler.compile(changed.source, {
      folder: path,
      compilerOptions: changed.options,
    });
    const manifest = manifestOf(files);
    expect(readdirSync(path).filter((name) => name.endsWith('.bin'))).toEqual([
      manifest.binaries[0].file,
    ]);
    expect(manifest.graphs[0]!.tokens).toBe(changed.options.chunkTokens);
    if (changed.source !== source) expect(manifest.derivedFrom).not.toEqual(first.derivedFrom);
    await canGenerate(files);
  });

  it('can work for two callers at once, in one folder', async () => {
    const path = place();
    const both = await Promise.all([
      compiler.compile(source, { folder: path, compilerOptions }),
      compiler.compile(source, { folder: path, compilerOptions }),
    ]);
    expect(readdirSync(path).filter((name) => name.startsWith('.'))).toEqual([]);
    await canGenerate(both[0]);
  });

  it.each(['before it starts', 'while it reads', 'while it compiles'])(
    'stopped %s, rejects with the reason and leaves nothing behind',
    async (when) => {
      const path = place();
      const reason = new Error('not needed any more');
      const abort = new AbortController();
      if (when === 'before it starts') abort.abort(reason);
      const compiling = compiler.compile(source, {
        folder: path,
        compilerOptions,
        signal: abort.signal,
        onProgress: ({ share }) => {
          if (when === 'while it reads' || share > 0.1) abort.abort(reason);
        },
      });
      expect(await rejection(compiling)).toBe(reason);
      expect(existsSync(path)).toBe(false);
    },
  );

  it('rejects with what the progress function throws, and leaves nothing behind', async () => {
    const path = place();
    const error = new Error('the window was closed');
    const compiling = compiler.compile(source, {
      folder: path,
      compilerOptions,
      onProgress: ({ share }) => {
        if (share > 0.1) throw error;
      },
    });
    expect(await rejection(compiling)).toBe(error);
    expect(existsSync(path)).toBe(false);
  });

  const gguf = (
    name: string,
    metadata: NonNullable<Parameters<typeof tinyLlamaGguf>[0]>['metadata'],
  ) => {
    const path = join(folder, name);
    writeFileSync(path, tinyLlamaGguf({ ...(metadata && { metadata }) }));
    return path;
  };
  const sources: Readonly<Record<string, readonly [() => ModelFiles | string, string]>> = {
    'a file that is missing': [() => join(folder, 'none.gguf'), 'FILE_NOT_FOUND'],
    'a folder': [() => folder, 'FILE_NOT_FOUND'],
    'a file that is no model': [
      () => {
        writeFileSync(join(folder, 'text.gguf'), 'This is no model.');
        return join(folder, 'text.gguf');
      },
      'MODEL_INVALID',
    ],
    'another architecture': [
      () =>
        gguf('qwen2.gguf', {
          'general.architecture': 'qwen2',
          'qwen2.context_length': { type: 'uint32', value: 64 },
        }),
      'MODEL_UNSUPPORTED',
    ],
    'a tokenizer that nobody knows': [
      () => gguf('tokenizer.gguf', { 'tokenizer.ggml.model': 'octopus' }),
      'MODEL_UNSUPPORTED',
    ],
    'files of another format': [
      () => ({ format: 'mlc', files: [{ path: source, role: 'weights' }] }),
      'MODEL_UNSUPPORTED',
    ],
    'files without weights': [
      () => ({ format: 'gguf', files: [{ path: source, role: 'config' }] }),
      'MODEL_INVALID',
    ],
  };

  it.each(Object.entries(sources))(
    'refuses %s, and leaves nothing behind',
    async (_what, [from, code]) => {
      const path = place();
      expect(
        await rejection(compiler.compile(from(), { folder: path, compilerOptions })),
      ).toMatchObject({
        name: 'MobillmError',
        code,
      });
      expect(existsSync(path)).toBe(false);
    },
  );

  it('refuses a source that is changed meanwhile, and leaves nothing behind', async () => {
    const [changed, path] = [writeTinyModel(temporaryFolder()), place()];
    const compiling = compiler.compile(changed, {
      folder: path,
      compilerOptions,
      onProgress: ({ step }) => {
        if (step === 'making the binary') appendFileSync(changed, 'more');
      },
    });
    await expect(compiling).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    expect(existsSync(path)).toBe(false);
  });

  it('refuses a context that the model was not trained for', async () => {
    const compiling = compiler.compile(source, {
      folder: place(),
      compilerOptions: { contextTokens: 4096 },
    });
    expect(await rejection(compiling)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'compilerOptions.contextTokens',
    });
  });

  it('refuses a chip that the library does not know', async () => {
    const compiling = compiler.compile(source, {
      folder: place(),
      compilerOptions: { ...compilerOptions, socModel: 999_999 },
    });
    expect(await rejection(compiling)).toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('says IO_FAILED where a file is in the way of its folder', async () => {
    const path = place();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'a file');
    expect(
      await rejection(compiler.compile(source, { folder: path, compilerOptions })),
    ).toMatchObject({
      code: 'IO_FAILED',
    });
    expect(readFileSync(path, 'utf8')).toBe('a file');
  });
});
