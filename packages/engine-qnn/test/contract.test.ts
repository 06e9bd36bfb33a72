import { join } from 'node:path';
import { describeEngine, describeTeardown, describeTokenizer } from '@mobillm/core/testing';
import { createQnnDriver } from '../src/index.js';
import { temporaryFolder } from './support/folders.js';
import { compileCached, manifestPathOf, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
// Every step attends to the whole context that was compiled in: a short one keeps the suite short.
const contextTokens = 256;
const files = await compileCached(writeTinyModel(folder), { chunkTokens: 32, contextTokens });

describeEngine("Qualcomm's HTP emulator with a tiny model of random weights", {
  createDriver: createQnnDriver,
  files,
  folder,
  missingPath: join(folder, 'missing'),
  contextTokens,
});

describeTokenizer('the tokenizer of the tiny compiled model', {
  open: async () => {
    const driver = await createQnnDriver();
    const model = await driver.open(files, {
      contextTokens: 64,
      sequences: 1,
      threads: 1,
      engineOptions: {},
    });
    const close = async (): Promise<void> => {
      await model.close();
      await driver.close?.();
    };
    return { tokenizer: model.tokenizer, close };
  },
});

// Child processes read it from their environment.
process.env['MOBILLM_TEST_QNN_MODEL'] = manifestPathOf(files);
describeTeardown("Qualcomm's HTP emulator", {
  entry: new URL('./fixtures/open-tiny-model.mjs', import.meta.url),
});
