import {
  createFakeDriver,
  describeEngine,
  describeTokenizer,
  fakeFiles,
  fakeMissingPath,
} from '../../src/testing/index.js';

describeEngine('the fake engine', {
  createDriver: () => createFakeDriver(),
  files: fakeFiles,
  missingPath: fakeMissingPath,
});

describeEngine('the fake engine with the least capabilities', {
  createDriver: () =>
    createFakeDriver({
      capabilities: {
        maxSequences: 1,
        truncate: 'all-or-nothing',
        sampling: [],
        logprobs: false,
        fork: false,
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
