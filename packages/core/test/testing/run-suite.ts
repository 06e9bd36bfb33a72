import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { contractTableVariable } from '../../src/testing/contract-table.js';

/** What became of the tests of one outermost block, each as `inner block > title`. */
export interface SuiteOutcome {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

interface JsonReport {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

const here = dirname(fileURLToPath(import.meta.url));
const vitest = join(
  dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);

/**
 * Runs a file of `fixtures/` by a Vitest of its own and tells, by the title of each outermost block,
 * what became of its tests. So a test can say that a suite fails, and where.
 */
export async function runSuite(fixture: string): Promise<ReadonlyMap<string, SuiteOutcome>> {
  const { testResults } = await runVitest(fixture);
  const outcomes = new Map<string, { passed: string[]; failed: string[]; skipped: string[] }>();
  for (const test of testResults.flatMap(({ assertionResults }) => assertionResults)) {
    const [block = '', ...inner] = test.ancestorTitles.filter((title) => title !== '');
    const outcome = outcomes.get(block) ?? { passed: [], failed: [], skipped: [] };
    outcomes.set(block, outcome);
    const state = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
    outcome[state].push([...inner, test.title].join(' > '));
  }
  if (outcomes.size === 0) {
    throw new Error(`the suite ${fixture} has no tests: ${testResults[0]?.message ?? ''}`);
  }
  return outcomes;
}

function runVitest(fixture: string): Promise<JsonReport> {
  const args = [vitest, 'run', '--config', join(here, 'fixtures/vitest.config.ts'), fixture];
  // A Vitest inside of a Vitest would take itself for a worker; broken engines belong in no table.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('VITEST') && name !== contractTableVariable,
    ),
  );
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [...args, '--reporter=json'],
      { cwd: join(here, '../..'), env, maxBuffer: 64 * 2 ** 20 },
      // The exit status only says that tests fail, as they are meant to.
      (_error, stdout, stderr) => {
        try {
          resolve(JSON.parse(stdout.slice(stdout.indexOf('{'))) as JsonReport);
        } catch {
          reject(new Error(`the suite ${fixture} did not run:\n${stdout}\n${stderr}`));
        }
      },
    );
  });
}

/** Expects that the suite in a block, named by how it begins, failed in the test of that title. */
function expectSuiteToFail(
  outcomes: ReadonlyMap<string, SuiteOutcome>,
  block: string,
  title: string,
): void {
  const name = [...outcomes.keys()].find((key) => key === block || key.startsWith(`${block} `));
  const failed = outcomes.get(name ?? '')?.failed ?? [];
  expect(
    failed.filter((test) => test === title || test.endsWith(` > ${title}`)),
    `failed tests of "${block}", which are ${JSON.stringify(failed)}`,
  ).not.toEqual([]);
}

/**
 * Describes that a suite notices every fault, in the test that is named for it, and that each of its
 * tests notices one.
 *
 * @param fixture file of `fixtures/` that runs the suite once a fault, each block named by its fault
 */
export function describeNoticing(
  [suite, subject]: readonly [suite: string, subject: string],
  fixture: string,
  faults: Readonly<Record<string, string>>,
): void {
  describe(`the ${suite} suite notices a ${subject} that`, () => {
    let outcomes: ReadonlyMap<string, SuiteOutcome>;

    beforeAll(async () => {
      outcomes = await runSuite(fixture);
    }, 300_000);

    it.each(Object.entries(faults))('%s', (fault, title) => {
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
}
