import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EngineDriver, MobillmError } from '@mobillm/core';
import { rejection, withSequence } from '@mobillm/core/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createQnnDriver } from '../src/index.js';
import { sample } from './support/driving.js';
import { temporaryFolder } from './support/folders.js';
import { withField } from './support/manifests.js';
import { copyModel, type ModelCopy } from './support/model-copy.js';
import { compileCached, filesOf, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const sound = await compileCached(writeTinyModel(folder));
const openOptions = { contextTokens: 128, sequences: 1, threads: 1, engineOptions: {} } as const;

describe('a compiled model', () => {
  let driver: EngineDriver;
  beforeAll(async () => {
    driver = await createQnnDriver();
  });
  afterAll(() => driver.close?.());

  const spoilt = (spoil: (copy: ModelCopy) => void): Promise<unknown> => {
    const copy = copyModel(sound, folder);
    spoil(copy);
    return rejection(driver.open(copy.files, openOptions));
  };

  it('is opened by its folder as well as by its manifest', async () => {
    const copy = copyModel(sound, folder);
    for (const path of [copy.folder, `${copy.folder}/`, join(copy.folder, 'qnn-model.json')]) {
      const { trainedContextTokens } = await driver.inspect(filesOf(path));
      // What it can be opened with, not the 2048 that its source was trained for.
      expect(trainedContextTokens).toBe(512);
    }
  });

  const whole = (copy: ModelCopy) => readFileSync(copy.binary);
  const binaries: Readonly<Record<string, readonly [(copy: ModelCopy) => void, string]>> = {
    'is missing': [(copy) => rmSync(copy.binary), 'FILE_NOT_FOUND'],
    'is cut off': [(copy) => truncateSync(copy.binary, 1000), 'INTEGRITY_FAILED'],
    'was changed in one bit': [
      (copy) => {
        const bytes = whole(copy);
        bytes[bytes.length >> 1]! ^= 1;
        copy.replaceBinary(bytes, false);
      },
      'INTEGRITY_FAILED',
    ],
    'is cut off, and the manifest says so': [
      (copy) => copy.replaceBinary(whole(copy).subarray(0, 1000), true),
      'MODEL_INVALID',
    ],
    'lacks its last bytes, and the manifest says so': [
      (copy) => copy.replaceBinary(whole(copy).subarray(0, -4096), true),
      'MODEL_INVALID',
    ],
    'is noise, and the manifest says so': [
      (copy) => copy.replaceBinary(randomBytes(200_000), true),
      'MODEL_INVALID',
    ],
    'is zeros, and the manifest says so': [
      (copy) => copy.replaceBinary(new Uint8Array(200_000), true),
      'MODEL_INVALID',
    ],
    'is a GGUF file, and the manifest says so': [
      (copy) => copy.replaceBinary(readFileSync(join(folder, 'tiny-1.gguf')), true),
      'MODEL_INVALID',
    ],
  };

  it.each(Object.entries(binaries))('whose binary %s is refused', async (_what, [spoil, code]) => {
    const error = await spoilt(spoil);
    expect(error).toMatchObject({ name: 'MobillmError', code });
    expect((error as Error).message).toMatch(/\w{3,} .*\.$/s);
  });

  it('whose binary is of another model is refused', async () => {
    const other = await compileCached(writeTinyModel(folder), {
      chunkTokens: 16,
      contextTokens: 256,
    });
    const binary = other.files[1]!.path;
    expect(await spoilt((copy) => copy.replaceBinary(readFileSync(binary), true))).toMatchObject({
      code: 'MODEL_INVALID',
    });
  });

  it.each([
    ['parameters.layers', 3],
    ['parameters.layers', 1],
    ['parameters.layers', 512],
    ['parameters.layers', 513],
    ['parameters.kvHeads', 4],
    ['parameters.headLength', 32],
    ['parameters.vocabularySize', 268],
    ['parameters.vocabularySize', 2 ** 21],
    ['contextTokens', 1024],
    ['graphs.0.tokens', 64],
    ['graphs.0.name', 'prefill_64'],
    [
      'graphs',
      [
        { name: 'decode', tokens: 1 },
        { name: 'prefill_32', tokens: 2 },
      ],
    ],
    ['madeWith.backendApi', '4.0.0'],
  ])('whose manifest says %s = %j, and whose binary does not, is refused', async (field, value) => {
    const error = await spoilt((copy) =>
      copy.changeManifest((manifest) => withField(manifest, field, value)),
    );
    expect(error).toMatchObject({ name: 'MobillmError' });
    expect(['MODEL_INVALID', 'MODEL_UNSUPPORTED']).toContain((error as MobillmError).code);
  });

  const texts: Readonly<Record<string, readonly [string, string | Uint8Array, string]>> = {
    'a manifest that is no JSON': ['qnn-model.json', '{', 'MODEL_INVALID'],
    'a manifest that is no text': ['qnn-model.json', Uint8Array.of(0xff, 0xfe), 'MODEL_INVALID'],
    'a manifest of two megabytes': ['qnn-model.json', ' '.repeat(2 ** 21), 'MODEL_INVALID'],
    'a tokenizer that is no JSON': ['tokenizer.json', 'x', 'MODEL_INVALID'],
    'a tokenizer that is a list': ['tokenizer.json', '[]', 'MODEL_INVALID'],
    'a tokenizer of nothing': ['tokenizer.json', '{}', 'MODEL_INVALID'],
    'a configuration that is a number': ['tokenizer_config.json', '7', 'MODEL_INVALID'],
  };

  it.each(Object.entries(texts))('with %s is refused', async (_what, [name, content, code]) => {
    expect(await spoilt((copy) => writeFileSync(join(copy.folder, name), content))).toMatchObject({
      name: 'MobillmError',
      code,
    });
  });

  it.each(['tokenizer.json', 'tokenizer_config.json'])(
    'without its %s is refused',
    async (name) => {
      expect(await spoilt((copy) => rmSync(join(copy.folder, name)))).toMatchObject({
        code: 'FILE_NOT_FOUND',
        details: { path: expect.stringContaining(name) as string },
      });
    },
  );

  it('is not opened with a larger context than it was compiled for', async () => {
    expect(
      await rejection(driver.open(sound, { ...openOptions, contextTokens: 513 })),
    ).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'contextTokens',
    });
  });

  it('is not opened with options that this engine does not have', async () => {
    const engineOptions = { batchTokens: 512 };
    expect(await rejection(driver.open(sound, { ...openOptions, engineOptions }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'engineOptions.batchTokens',
    });
  });

  it('opens and runs, or is refused with a code, whatever its manifest says', async () => {
    const copy = copyModel(sound, folder);
    const path = join(copy.folder, 'qnn-model.json');
    const text = readFileSync(path, 'utf8');
    const numbers = fc.constantFrom(
      ...['layers', 'embeddingLength', 'feedForwardLength', 'heads', 'kvHeads', 'headLength'].map(
        (name) => `parameters.${name}`,
      ),
      ...['vocabularySize', 'rmsEpsilon', 'ropeBase', 'ropeScale', 'trainedContextTokens'].map(
        (name) => `parameters.${name}`,
      ),
      'contextTokens',
      'graphs.0.tokens',
      'graphs.1.tokens',
      'binaries.0.bytes',
      'madeWith.socModel',
      'madeWith.htpArch',
    );
    const change = fc.tuple(numbers, fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.double()));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const manifest = changes.reduce<unknown>(
          (value, [field, number]) => withField(value, field, number),
          JSON.parse(text),
        );
        writeFileSync(path, JSON.stringify(manifest));
        let model;
        try {
          model = await driver.open(copy.files, { ...openOptions, contextTokens: 1 });
        } catch (error) {
          if (!MobillmError.is(error)) throw error;
          expect(['MODEL_INVALID', 'MODEL_UNSUPPORTED', 'INTEGRITY_FAILED']).toContain(error.code);
          return;
        }
        await model.close();
      }),
      { numRuns: 150 },
    );
  });

  it('that is sound still runs after all this', async () => {
    const model = await driver.open(sound, openOptions);
    const tokens = await withSequence(model, (sequence) => sample(sequence, [1, 2, 3]));
    expect(tokens).toHaveLength(8);
    await model.close();
  });
});
