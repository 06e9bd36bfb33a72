import { join } from 'node:path';
import { describeEngine, describeTeardown, describeTokenizer } from '@mobillm/core/testing';
import { createLlamaCppDriver } from '../src/index.js';
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

describeEngine('llama.cpp with SmolLM2-135M', {
  createDriver: createLlamaCppDriver,
  files: filesOf(defaultModelPath),
  missingPath,
});

describeEngine('llama.cpp with a tiny model of random weights', {
  createDriver: createLlamaCppDriver,
  files: filesOf(tinyPath),
  missingPath,
});

describeTokenizer('the tokenizer of SmolLM2-135M', { open: openTokenizer(defaultModelPath) });
describeTokenizer('the tokenizer of the tiny model', { open: openTokenizer(tinyPath) });

// Child processes read it from their environment.
process.env['MOBILLM_TEST_MODEL'] = defaultModelPath;
describeTeardown('llama.cpp', {
  entry: new URL('./fixtures/open-default-model.mjs', import.meta.url),
});
