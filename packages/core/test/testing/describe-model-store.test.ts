import { beforeAll, describe, expect, it } from 'vitest';
import { describeModelStore } from '../../src/testing/describe-model-store.js';
import { createFakeModelStore, storeFaults } from './fixtures/fake-model-store.js';
import { expectSuiteToFail, runSuite, type SuiteOutcome } from './run-suite.js';

describeModelStore('a sound fake', { open: (directory) => createFakeModelStore(directory) });

describe('the model store suite notices a store that', () => {
  let outcomes: ReadonlyMap<string, SuiteOutcome>;

  beforeAll(async () => {
    outcomes = await runSuite('broken-model-stores.fixture.ts');
  }, 300_000);

  it.each(Object.entries(storeFaults))('%s', (fault, title) => {
    expectSuiteToFail(outcomes, fault, title);
  });

  it('breaks any promise: no test of the suite is passed by all of them', () => {
    const noticed = new Set([...outcomes.values()].flatMap(({ failed }) => failed));
    const all = new Set(
      [...outcomes.values()].flatMap(({ passed, failed }) => [...passed, ...failed]),
    );
    expect([...all].filter((title) => !noticed.has(title))).toEqual([]);
  });
});
