import { fileURLToPath } from 'node:url';
import { memoryGrowth, readMemory } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const cycles = 200;
const bareLoop = new URL('../build/native/reference/bare_loop', import.meta.url);

it(`keeps no more memory over ${cycles} cycles than llama.cpp does in a bare loop`, async () => {
  const path = await writeTinyModel(folder);
  const bare = await readMemory(fileURLToPath(bareLoop), [path, String(cycles), '512', '5', '8']);
  const fixture = new URL('./fixtures/open-generate-close.mjs', import.meta.url);
  const engine = await readMemory(fixture, [path, String(cycles)]);
  console.log(`grew by ${memoryGrowth(engine)} bytes, the bare loop by ${memoryGrowth(bare)}`);
  // 160 cycles lie between the two readings, each of which allocates about 20 MB: one that leaked a
  // two-hundredth of it would show.
  expect(memoryGrowth(engine) - Math.max(0, memoryGrowth(bare))).toBeLessThan(12 * 2 ** 20);
  expect(engine.threads).toBe(0);
});
