import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();

const cycles = 200;

/** Memory after a fifth of the cycles and at the end, as a program of ours prints it. */
interface Reading {
  readonly settledBytes: number;
  readonly endBytes: number;
  readonly threads?: number;
}

function read(program: string, args: readonly string[]): Reading {
  // glibc keeps a pool of freed memory for each of many threads: with one, what grows is a leak.
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' };
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8', env })) as Reading;
}

it(`keeps no more memory over ${cycles} cycles than llama.cpp does in a bare loop`, async () => {
  const path = await writeTinyModel(folder);
  const bareLoop = fileURLToPath(new URL('../build/native/reference/bare_loop', import.meta.url));
  const bare = read(bareLoop, [path, String(cycles), '512', '5', '8']);
  const fixture = fileURLToPath(new URL('./fixtures/open-generate-close.mjs', import.meta.url));
  // A process of its own, whose garbage can be collected at will, and whose young generation is small.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const engine = read(process.execPath, [...flags, fixture, path, String(cycles)]);
  const growth = ({ settledBytes, endBytes }: Reading): number => endBytes - settledBytes;
  console.log(`grew by ${growth(engine)} bytes, the bare loop by ${growth(bare)}`);
  // 160 cycles lie between the two readings, each of which allocates about 20 MB: one that leaked a
  // two-hundredth of it would show.
  expect(growth(engine) - Math.max(0, growth(bare))).toBeLessThan(12 * 2 ** 20);
  expect(engine.threads).toBe(0);
});
