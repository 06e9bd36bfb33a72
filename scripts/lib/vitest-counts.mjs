import { writeFileSync } from 'node:fs';

/**
 * A Vitest reporter that writes counts and the reasons of skips, which the JSON reporter leaves out,
 * to the file that `MOBILLM_COUNTS_FILE` names.
 */
export default class CountsReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, failures: [], skips: [] };
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      const broken =
        module.errors().length +
        [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
      counts.failed += broken;
      if (broken > 0) counts.failures.push(module.relativeModuleId);
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed += 1;
        if (result.state === 'failed') {
          counts.failed += 1;
          counts.failures.push(`${module.relativeModuleId}: ${test.fullName}`);
        }
        // Tests that never ran, because their file was interrupted, did not pass either.
        if (result.state === 'pending') {
          counts.failed += 1;
          counts.failures.push(`${module.relativeModuleId}: ${test.fullName} (did not run)`);
        }
        if (result.state === 'skipped') {
          counts.skips.push({ name: test.fullName, reason: result.note ?? '' });
        }
      }
    }
    writeFileSync(process.env.MOBILLM_COUNTS_FILE, JSON.stringify(counts));
  }
}
