import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Of an error's message, in characters. */
const longestMessage = 400;

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
    const failures = unhandledErrors.map((error) => `an error nobody handled${becauseOf(error)}`);
    const counts = { passed: 0, failed: unhandledErrors.length, failures, skips: [] };
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      const broken =
        module.errors().length +
        [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
      counts.failed += broken;
      if (broken > 0) {
        const first = [module, ...module.children.allSuites()].flatMap((it) => it.errors())[0];
        counts.failures.push(`${module.relativeModuleId}${becauseOf(first)}`);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed += 1;
        if (result.state === 'failed') {
          counts.failed += 1;
          const reason = becauseOf(result.errors[0]);
          counts.failures.push(`${module.relativeModuleId}: ${test.fullName}${reason}`);
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

/**
 * The start of an error's message and the line of ours that it came from: a run's end is often all
 * of its output that anybody keeps.
 *
 * @param {{ message?: string, stacks?: { file: string, line: number }[] } | undefined} error
 */
function becauseOf(error) {
  if (error === undefined) return '';
  const message = String(error.message ?? error)
    .replace(/\s+/g, ' ')
    .trim();
  const text = message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message;
  const at = error.stacks?.[0];
  return ` (${text}${at === undefined ? '' : `, at ${basename(at.file)}:${at.line}`})`;
}
