import { describeTeardown } from '../../src/testing/index.js';

describeTeardown('the fake engine', {
  entry: new URL('./fixtures/teardown-entry.mjs', import.meta.url),
});
