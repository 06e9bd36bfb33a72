import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ModelFiles } from '@mobillm/core';
import { describeEngine, describeTeardown, describeTokenizer } from '@mobillm/core/testing';
import { ensureRequantizedModel } from '../../../scripts/requantized-model.mjs';
import { createLlamaCppDriver } from '../src/index.js';
import { adapterFiles, writeLora } from './support/lora.js';
import { defaultModelPath, filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const missingPath = join(folder, 'missing.gguf');
const tinyPath = await writeTinyModel(folder);

const openTokenizer = (path: string) => async () => {
  const driver = await createLlamaCppDriver();
  const model = await driver.open(filesOf(path), {
    contextTokens: 64,
    sequences: 1,
    threads: 1,
    engineOptions: {},
  });
  return { tokenizer: model.tokenizer, close: () => model.close() };
};

// With weights of few bits llama.cpp rounds activations too, and that differs with the shape of a
// batch by as much as a wrong token in the cache: what is right and what is not could not be told apart.
// Its flash attention differs by a thousandth.
const common = {
  createDriver: createLlamaCppDriver,
  folder,
  missingPath,
  engineOptions: {
    keyType: 'f32',
    valueType: 'f32',
    flashAttention: 'off',
    batchTokens: 32,
  },
};

/** Two adapters for a model. */
const adaptersOf = async (path: string): Promise<readonly [ModelFiles, ModelFiles]> => {
  const write = async (seed: number) =>
    adapterFiles((await writeLora(folder, path, { seed, size: 0.3 })).path);
  return [await write(1), await write(2)];
};

const realPath = await ensureRequantizedModel('f16');
describeEngine('llama.cpp with SmolLM2-135M in F16', {
  ...common,
  files: filesOf(realPath),
  adapters: await adaptersOf(realPath),
  // Most of the suite's time is spent here.
  contextTokens: 256,
  threads: Math.min(2, availableParallelism()),
});

describeEngine('llama.cpp with a tiny model of random weights', {
  ...common,
  files: filesOf(tinyPath),
  adapters: await adaptersOf(tinyPath),
});

describeTokenizer('the tokenizer of SmolLM2-135M', { open: openTokenizer(defaultModelPath) });
describeTokenizer('the tokenizer of the tiny model', { open: openTokenizer(tinyPath) });

// Child processes read it from their environment.
process.env['MOBILLM_TEST_MODEL'] = defaultModelPath;
describeTeardown('llama.cpp', {
  entry: new URL('./fixtures/open-default-model.mjs', import.meta.url),
});
