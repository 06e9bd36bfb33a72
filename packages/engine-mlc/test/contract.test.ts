import { join } from 'node:path';
import { describeEngine, describeTeardown, describeTokenizer } from '@mobillm/core/testing';
import { createMlcDriver } from '../src/index.js';
import {
  compiledDefaultModel,
  compiledTinyModel,
  filesOf,
  temporaryFolder,
} from './support/models.js';

const folder = temporaryFolder();
const missingPath = join(folder, 'missing');
const defaultFolder = await compiledDefaultModel();
const tinyFolder = await compiledTinyModel();

describeEngine('MLC with SmolLM2-135M in 4 bits', {
  createDriver: createMlcDriver,
  files: filesOf(defaultFolder),
  folder,
  missingPath,
  engineOptions: { batchTokens: 32 },
  // Half of what the suite takes by itself: its long prompts take their time on real weights.
  contextTokens: 256,
});

describeEngine('MLC with a tiny model of random weights', {
  createDriver: createMlcDriver,
  files: filesOf(tinyFolder),
  folder,
  missingPath,
  engineOptions: { batchTokens: 32 },
});

describeTokenizer('the tokenizer of SmolLM2-135M', {
  open: async () => {
    const driver = await createMlcDriver();
    const model = await driver.open(filesOf(defaultFolder), {
      contextTokens: 64,
      sequences: 1,
      threads: 1,
      engineOptions: {},
    });
    return { tokenizer: model.tokenizer, close: () => model.close() };
  },
});

// Child processes read it from their environment.
process.env['MOBILLM_MLC_TEST_MODEL'] = defaultFolder;
describeTeardown('MLC', {
  entry: new URL('./fixtures/open-default-model.mjs', import.meta.url),
});
