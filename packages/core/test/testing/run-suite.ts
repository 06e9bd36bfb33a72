import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';

/** What one suite of a fixture file came to: the titles of its tests. */
export interface SuiteOutcome {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
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

/**
 * Runs the contract suites of a fixture file in a test run of their own and tells what failed, by the
 * name that each suite was described with.
 *
 * @param fixture name of a file in `fixtures/`.
 */
export async function runSuite(fixture: string): Promise<ReadonlyMap<string, SuiteOutcome>> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), 'mobillm-suite-'));
  const outputFile = join(folder, 'report.json');
  const exitCode = process.exitCode;
  try {
    const vitest = await startVitest('test', [], {
      root,
      include: [`test/testing/fixtures/${fixture}`],
      watch: false,
      reporters: ['json'],
      outputFile,
      // A broken engine hangs where a sound one answers at once.
      testTimeout: 2000,
      hookTimeout: 3000,
    });
    await vitest.close();
    const report = JSON.parse(await readFile(outputFile, 'utf8')) as JsonReport;
    return outcomes(report);
  } finally {
    // Failing is what these suites are for; the run that looks on has not failed by it.
    process.exitCode = exitCode;
    await rm(folder, { recursive: true, force: true });
  }
}

function outcomes(report: JsonReport): Map<string, SuiteOutcome> {
  const suites = new Map<string, { passed: string[]; failed: string[] }>();
  for (const file of report.testResults) {
    if (file.assertionResults.length === 0) throw new Error(`no test ran: ${file.message}`);
    for (const { ancestorTitles, title, status } of file.assertionResults) {
      const name = ancestorTitles[0] ?? '';
      const suite = suites.get(name) ?? { passed: [], failed: [] };
      suites.set(name, suite);
      if (status === 'passed') suite.passed.push(title);
      if (status === 'failed') suite.failed.push(title);
    }
  }
  return suites;
}
