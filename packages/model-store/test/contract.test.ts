import { describeModelStore } from '@mobillm/core/testing';
import { createModelStore } from '../src/index.js';

describeModelStore('the store in a folder', {
  open: (directory) => createModelStore({ directory }),
});
