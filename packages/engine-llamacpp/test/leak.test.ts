import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();

it('keeps its memory flat over 200 cycles of opening, generating and closing', async () => {
  const path = await writeTinyModel(folder);
  const program = fileURLToPath(new URL('./fixtures/open-generate-close.mjs', import.meta.url));
  // A process of its own, whose garbage can be collected at will. V8's young generation grows with
  // what is allocated in it, and glibc keeps a pool of freed memory for each of many threads; both
  // are held small, so that what grows is a leak.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const output = execFileSync(process.execPath, [...flags, program, path, '200'], {
    encoding: 'utf8',
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  });
  const { settledBytes, endBytes, threads } = JSON.parse(output) as Record<string, number>;
  // 160 cycles lie between the two readings, each of which allocates about 20 MB: one that leaked a
  // two-hundredth of it would show.
  expect(endBytes! - settledBytes!).toBeLessThan(12 * 2 ** 20);
  expect(threads).toBe(0);
});
