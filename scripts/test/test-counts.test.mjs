import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseJunit, readVitestCounts, sumCounts } from '../lib/test-counts.mjs';

const folder = mkdtempSync(join(tmpdir(), 'mobillm-counts-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(counts) {
  const path = join(folder, `${Math.random()}.json`);
  writeFileSync(path, JSON.stringify(counts));
  return path;
}

const twoPassed = { passed: 2, failed: 0, failures: [], skips: [] };

describe('counts of tests', () => {
  it('are those of the report where the run ended well', () => {
    expect(readVitestCounts(written(twoPassed), 'core', 0)).toEqual(twoPassed);
  });

  it('name the run that a failure belongs to', () => {
    const counts = { ...twoPassed, failed: 1, failures: ['a.test.ts: adds'] };
    expect(readVitestCounts(written(counts), 'core', 1).failures).toEqual([
      'core: a.test.ts: adds',
    ]);
  });

  it('hold one failure for a run that broke off before it reported', () => {
    expect(readVitestCounts(join(folder, 'missing.json'), 'core', 134)).toEqual({
      passed: 0,
      failed: 1,
      failures: ['core: no test ran (exit status 134)'],
      skips: [],
    });
  });

  it('hold one failure for a run in which everything was skipped', () => {
    const skips = [{ name: 'forks', reason: 'not declared' }];
    expect(readVitestCounts(written({ ...twoPassed, passed: 0, skips }), 'core', 0)).toEqual({
      passed: 0,
      failed: 1,
      failures: ['core: no test ran (exit status 0)'],
      skips,
    });
  });

  it('hold one failure where every test passed and the run did not', () => {
    expect(readVitestCounts(written(twoPassed), 'core', 1)).toEqual({
      ...twoPassed,
      failed: 1,
      failures: ['core: exit status 1'],
    });
  });

  it('of C++ tests are read from what ctest writes', () => {
    const xml = `<?xml version="1.0"?>
      <testsuite name="Linux" tests="4" failures="1">
        <testcase name="worker" classname="worker" time="0.1" status="run"><system-out/></testcase>
        <testcase name="utf8 &lt;3" time="0.1" status="fail"><failure message=""/></testcase>
        <testcase name="windows" time="0" status="disabled"/>
        <testcase name="late" time="0" status="notrun"><skipped message=""/></testcase>
      </testsuite>`;
    expect(parseJunit(xml)).toEqual({
      passed: 1,
      failed: 1,
      failures: ['utf8 <3'],
      skips: [
        { name: 'windows', reason: 'ctest says disabled' },
        { name: 'late', reason: 'ctest says notrun' },
      ],
    });
  });

  it('add up', () => {
    const other = { passed: 3, failed: 1, failures: ['x'], skips: [{ name: 'y', reason: '' }] };
    expect(sumCounts([twoPassed, other])).toEqual({ ...other, passed: 5 });
  });
});
