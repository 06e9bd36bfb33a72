import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseQnnManifest } from '@mobillm/core';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './support/folders.js';
import { compileCached, manifestPathOf, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const files = await compileCached(writeTinyModel(folder), { chunkTokens: 32, contextTokens: 128 });

/** Memory of a process after some of its cycles. */
interface Reading {
  readonly cycle: number;
  readonly bytes: number;
}

const cycles = 100;
/** Of the bare loop, whose growth is compared by the cycle. */
const bareCycles = 50;

/** Tokens that a cycle decodes after a prompt of one chunk; the last one that is sampled is not computed. */
const decodedTokens = 3;

/**
 * What a cycle may grow by beyond what the library itself keeps. A cycle allocates 0.6 MB for the
 * binary and 0.4 MB of buffers; without a leak 0.03 MB were measured, and nothing for the library.
 */
const toleranceBytes = 64 * 1024;

/** What fills pools and caches that stay as large is over by then. */
const settledCycle = 20;

function readings(program: string, args: readonly string[]): readonly Reading[] {
  const output = execFileSync(program, args, {
    encoding: 'utf8',
    // glibc keeps a pool of freed memory for each of many threads: with one, what grows is a leak.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  });
  return JSON.parse(output.trim().split('\n').at(-1)!) as Reading[];
}

/** Bytes a cycle: the median of the slopes between any two readings, which single dips do not move. */
function growth(all: readonly Reading[]): number {
  const settled = all.filter(({ cycle }) => cycle >= settledCycle);
  const slopes = settled.flatMap((from, index) =>
    settled.slice(index + 1).map((to) => (to.bytes - from.bytes) / (to.cycle - from.cycle)),
  );
  return slopes.sort((a, b) => a - b)[slopes.length >> 1]!;
}

it(`grows by no more than Qualcomm's library does over ${cycles} cycles of opening, generating and closing`, () => {
  const manifestPath = manifestPathOf(files);
  const { binaries } = parseQnnManifest(readFileSync(manifestPath, 'utf8'), manifestPath);
  const program = fileURLToPath(new URL('./fixtures/open-generate-close.mjs', import.meta.url));
  // A process of its own, whose garbage can be collected at will, and whose young generation is small.
  const ours = readings(process.execPath, [
    ...['--expose-gc', '--max-semi-space-size=1'],
    ...[program, manifestPath, String(cycles)],
  ]);
  const bare = readings(
    fileURLToPath(new URL('../build/native/test/qnn_bare_loop', import.meta.url)),
    [join(dirname(manifestPath), binaries[0].file), String(bareCycles), String(decodedTokens)],
  );
  expect(ours.at(-1)?.cycle).toBe(cycles);
  expect(bare.at(-1)?.cycle).toBe(bareCycles);
  expect(growth(ours) - growth(bare)).toBeLessThan(toleranceBytes);
  const threads = (ours as readonly (Reading & { readonly threads: number })[]).map(
    (reading) => reading.threads,
  );
  expect(new Set(threads).size).toBe(1);
}, 600_000);
