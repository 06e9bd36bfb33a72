import { describe, expect, it } from 'vitest';
import { fakeFaults } from '../../src/testing/index.js';
import { runSuite } from './run-suite.js';

describe('the contract suites', () => {
  it('notice every engine and tokenizer that breaks one promise', async () => {
    const suites = await runSuite('broken-engines.fixture.ts');
    const unnoticed = Object.entries(fakeFaults).filter(([fault, title]) => {
      const name = [...suites.keys()].find((suite) => suite.startsWith(`${fault} meets the`));
      const failed = suites.get(name ?? '')?.failed ?? [];
      return !failed.some((failedTitle) => failedTitle.includes(title));
    });
    expect(unnoticed).toEqual([]);
  }, 600_000);

  it('notice an engine that goes down with its thread or keeps its process', async () => {
    const suites = await runSuite('broken-teardown.fixture.ts');
    expect(suites.get('broken goes down in order')?.passed).toEqual([]);
    expect(suites.get('broken goes down in order')?.failed).toHaveLength(6);
  }, 120_000);
});
