import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { compiledTinyModel } from './support/models.js';

const path = await compiledTinyModel();
const cycles = 100;

/** Memory after a fifth of the cycles and at the end, as a program of ours prints it. */
interface Reading {
  readonly settledBytes: number;
  readonly endBytes: number;
  readonly threads?: number;
  readonly files?: number;
}

// A process of its own, whose garbage can be collected at will. V8's young generation grows with what is
// allocated in it, and glibc keeps a pool of freed memory for each of many threads; both are held small,
// so that what grows is a leak.
const environment = { ...process.env, MALLOC_ARENA_MAX: '1' };

function read(program: string, args: readonly string[]): Reading {
  const output = execFileSync(program, args, { encoding: 'utf8', env: environment });
  return JSON.parse(output) as Reading;
}

it('keeps no more memory over 100 cycles than the runtime does in a bare loop', () => {
  const bareLoop = fileURLToPath(new URL('../build/native/test/bare_loop', import.meta.url));
  const bare = read(bareLoop, [path, String(cycles), '5', '8']);
  const fixture = fileURLToPath(new URL('./fixtures/open-generate-close.mjs', import.meta.url));
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const engine = read(process.execPath, [...flags, fixture, path, String(cycles)]);
  const growth = ({ settledBytes, endBytes }: Reading): number => endBytes - settledBytes;
  // 80 cycles lie between the two readings. Each allocates at least the weights and a cache of 512 tokens,
  // 0.7 MB: one that kept a fifteenth of that would show.
  expect(growth(engine) - Math.max(0, growth(bare))).toBeLessThan(4 * 2 ** 20);
  expect(engine.threads).toBe(0);
  expect(engine.files).toBe(0);
});
