import { beforeAll, describe, expect, it } from 'vitest';
import { describeCompiler } from '../../src/testing/describe-compiler.js';
import { compilerFaults } from './fixtures/fake-compiler.js';
import { fakeCompilerOptions } from './fixtures/fake-compiler-options.js';
import { expectSuiteToFail, runSuite, type SuiteOutcome } from './run-suite.js';

describeCompiler('a sound fake', fakeCompilerOptions());

describe('the compiler suite notices a compiler that', () => {
  let outcomes: ReadonlyMap<string, SuiteOutcome>;

  beforeAll(async () => {
    outcomes = await runSuite('broken-compilers.fixture.ts');
  }, 300_000);

  it.each(Object.entries(compilerFaults))('%s', (fault, title) => {
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
