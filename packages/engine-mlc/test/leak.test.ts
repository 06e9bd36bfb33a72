import { fileURLToPath } from 'node:url';
import { memoryGrowth, readMemory } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { compiledTinyModel } from './support/models.js';

const path = await compiledTinyModel();
const cycles = 100;
const bareLoop = new URL('../build/native/test/bare_loop', import.meta.url);

it('keeps no more memory over 100 cycles than the runtime does in a bare loop', async () => {
  const bare = await readMemory(fileURLToPath(bareLoop), [path, String(cycles), '5', '8']);
  const fixture = new URL('./fixtures/open-generate-close.mjs', import.meta.url);
  const engine = await readMemory(fixture, [path, String(cycles)]);
  // 80 cycles lie between the two readings. Each allocates at least the weights and a cache of 512 tokens,
  // 0.7 MB: one that kept a fifteenth of that would show.
  expect(memoryGrowth(engine) - Math.max(0, memoryGrowth(bare))).toBeLessThan(4 * 2 ** 20);
  expect(engine.threads).toBe(0);
  expect(engine.files).toBe(0);
});
