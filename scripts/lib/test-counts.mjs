import { existsSync, readFileSync } from 'node:fs';
import { readJson } from './workspace.mjs';

/**
 * What a run of tests came to.
 *
 * @typedef {{ passed: number, failed: number, failures: string[], skips: { name: string, reason: string }[] }} TestCounts
 */

/** @returns {TestCounts} */
export function noTests() {
  return { passed: 0, failed: 0, failures: [], skips: [] };
}

/**
 * Adds up.
 *
 * @param {readonly TestCounts[]} all
 * @returns {TestCounts}
 */
export function sumCounts(all) {
  return {
    passed: all.reduce((sum, { passed }) => sum + passed, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
    failures: all.flatMap(({ failures }) => failures),
    skips: all.flatMap(({ skips }) => skips),
  };
}

/**
 * Reads what the reporter of `vitest-counts.mjs` wrote. A run that broke off before it could, or
 * that failed although every test passed, counts as one failure: silence is not success.
 *
 * @param {string} path
 * @param {string} name of the run
 * @param {number} status its exit status
 * @returns {TestCounts}
 */
export function readVitestCounts(path, name, status) {
  const counts = existsSync(path) ? readJson(path) : noTests();
  return withStatus(counts, name, status);
}

/**
 * Reads what `ctest --output-junit` wrote.
 *
 * @param {string} path
 * @param {string} name of the run
 * @param {number} status its exit status
 * @returns {TestCounts}
 */
export function readJunitCounts(path, name, status) {
  const counts = existsSync(path) ? parseJunit(readFileSync(path, 'utf8')) : noTests();
  return withStatus(counts, name, status);
}

/**
 * Counts the test cases of a JUnit file as ctest writes it.
 *
 * @param {string} xml
 * @returns {TestCounts}
 */
export function parseJunit(xml) {
  const counts = noTests();
  for (const [, attributes] of xml.matchAll(/<testcase\b([^>]*)>/g)) {
    const name = unescape(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? '');
    const status = /\bstatus="([^"]*)"/.exec(attributes)?.[1];
    if (status === 'run') counts.passed += 1;
    else if (status === 'disabled' || status === 'notrun') {
      counts.skips.push({ name, reason: `ctest says ${status}` });
    } else {
      counts.failed += 1;
      counts.failures.push(name);
    }
  }
  return counts;
}

function withStatus({ failures, ...rest }, name, status) {
  const counts = { ...rest, failures: failures.map((failure) => `${name}: ${failure}`) };
  if (counts.passed + counts.failed === 0) {
    return { ...counts, failed: 1, failures: [`${name}: no test ran (exit status ${status})`] };
  }
  if (status !== 0 && counts.failed === 0) {
    return { ...counts, failed: 1, failures: [`${name}: exit status ${status}`] };
  }
  return counts;
}

function unescape(text) {
  const signs = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' };
  return text.replace(/&(?:lt|gt|quot|apos|amp);/g, (sign) => signs[sign]);
}
