import { temporaryFolder } from '../temporary-folder.js';
import {
  createFakeDriver,
  describeEngine,
  describeTokenizer,
  fakeAdapterFiles,
  fakeFiles,
  fakeMissingPath,
} from '../../src/testing/index.js';

const folder = temporaryFolder();

describeEngine('the fake engine', {
  folder,
  createDriver: () => createFakeDriver(),
  files: fakeFiles,
  adapters: fakeAdapterFiles,
  missingPath: fakeMissingPath,
});

describeEngine('the fake engine with one sequence, a short context and rounding by batch shape', {
  createDriver: () =>
    createFakeDriver({
      capabilities: { maxSequences: 1 },
      info: { trainedContextTokens: 384 },
      kv: { dtype: 'bf16', pairing: 'interleaved' },
      prefillChunkTokens: 24,
      rounding: 0.05,
    }),
  files: fakeFiles,
  adapters: fakeAdapterFiles,
  missingPath: fakeMissingPath,
  contextTokens: 384,
  prefillStepTokens: 24,
});

describeEngine('the fake engine with the least capabilities', {
  folder,
  createDriver: () =>
    createFakeDriver({
      capabilities: {
        maxSequences: 1,
        truncate: 'all-or-nothing',
        sampling: [],
        logprobs: false,
        speculation: false,
        copySequence: false,
        removeTokens: false,
        adapters: false,
        exportKv: false,
        importKv: false,
        estimate: false,
      },
    }),
  files: fakeFiles,
  missingPath: fakeMissingPath,
});

describeTokenizer('the fake tokenizer', {
  open: async () => {
    const model = await createFakeDriver().open(fakeFiles, {
      contextTokens: 64,
      sequences: 1,
      threads: 1,
      engineOptions: {},
    });
    return { tokenizer: model.tokenizer, close: () => model.close() };
  },
});
