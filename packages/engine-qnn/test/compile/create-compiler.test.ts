import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ggufLineage, type ModelFiles, parseQnnManifest } from '@mobillm/core';
import { describeCompiler, rejection, withSequence } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { emulatorPin } from '../../scripts/emulator-pin.mjs';
import { createQnnCompiler } from '../../src/compile/index.js';
import { createQnnDriver } from '../../src/index.js';
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
  return parseQnnManifest(readFileSync(path, 'utf8'), path);
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

describeCompiler("the compiler for Qualcomm's HTP", {
  createCompiler: createQnnCompiler,
  compilerOptions: [compilerOptions, { ...compilerOptions, chunkTokens: 4 }],
  stepUnderWay: 'making the binary',
  async expectToOpen(files, { chunkTokens }) {
    expect(manifestOf(files).graphs[0]!.tokens).toBe(chunkTokens);
    await canGenerate(files);
  },
});

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

  it('compiles again for a binary that was changed, and leaves one model', async () => {
    const path = place();
    await compiler.compile(source, { folder: path, compilerOptions });
    const name = readdirSync(path).find((file) => file.endsWith('.bin'))!;
    const bytes = readFileSync(join(path, name));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(path, name), bytes);
    const files = await compiler.compile(source, { folder: path, compilerOptions });
    expect(readdirSync(path).filter((file) => file.endsWith('.bin'))).toEqual([
      manifestOf(files).binaries[0].file,
    ]);
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
});
