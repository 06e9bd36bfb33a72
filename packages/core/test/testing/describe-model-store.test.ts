import { describeModelStore } from '../../src/testing/describe-model-store.js';
import { createFakeModelStore, storeFaults } from './fixtures/fake-model-store.js';
import { describeNoticing } from './run-suite.js';

describeModelStore('a sound fake', { open: (directory) => createFakeModelStore(directory) });

describeNoticing(['model store', 'store'], 'broken-model-stores.fixture.ts', storeFaults);
