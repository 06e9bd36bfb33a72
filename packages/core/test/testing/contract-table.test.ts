import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  contractFault,
  formatContractTable,
  readContractResults,
} from '../../src/testing/index.js';

const group = (name: string, passed: number, failed: readonly string[], skipped: number) => ({
  name,
  passed,
  failed,
  skipped: Array.from({ length: skipped }, () => ({
    title: 'x',
    reason: 'it does not declare "x"',
  })),
});

it('prints test groups by engine, with what each engine leaves out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobillm-table-'));
  try {
    const results = {
      two: [group('opening', 2, ['says no'], 0), group('forks', 0, [], 3)],
      one: [group('opening', 3, [], 0), group('forks', 1, [], 2)],
      broken: [],
    };
    for (const [engine, groups] of Object.entries(results)) {
      await writeFile(
        join(folder, `${engine}.json`),
        JSON.stringify({ engine, package: '', groups }),
      );
    }
    expect(formatContractTable(await readContractResults(folder))).toBe(
      [
        'test group  A            B                         C',
        'opening     did not run  passed 3                  1 FAILED',
        'forks       did not run  passed 1, 2 not declared  not a capability',
        '',
        'A  broken: FAILED to open',
        'B  one',
        '     2 left out: it does not declare "x"',
        'C  two',
        '     3 left out: it does not declare "x"',
        '',
      ].join('\n'),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('reads nothing where nothing was written', async () => {
  expect(await readContractResults(join(tmpdir(), 'mobillm-no-such-folder'))).toEqual([]);
});

it('finds fault with what failed, was not run, or was skipped without a capability as the reason', () => {
  const result = (...groups: ReturnType<typeof group>[]) => ({ engine: 'x', package: '', groups });
  const sound = result(group('opening', 3, [], 0), group('forks', 0, [], 2));
  const skipped = { ...group('forks', 0, [], 1), skipped: [{ title: 'x', reason: 'too slow' }] };
  const faultOf = (candidate: typeof sound) => contractFault(candidate, [sound, candidate]);
  expect(faultOf(sound)).toBeUndefined();
  expect(faultOf(result(group('opening', 2, ['x'], 0), group('forks', 1, [], 0)))).toBe(
    'opening: 1 FAILED',
  );
  expect(faultOf(result(group('opening', 3, [], 0)))).toBe('forks: did not run');
  expect(faultOf(result(group('opening', 3, [], 0), skipped))).toBe('forks: SKIPPED');
  expect(faultOf(result(group('opening', 0, [], 3)))).toBe('nothing passed');
  expect(faultOf(result())).toBe('nothing passed');
});
