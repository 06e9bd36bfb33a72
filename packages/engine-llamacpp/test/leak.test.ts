import { fileURLToPath } from 'node:url';
import { memoryGrowth, type MemoryReading, readMemory } from '@mobillm/core/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const cycles = 200;
const bareLoop = new URL('../build/native/reference/bare_loop', import.meta.url);

describe(`over ${cycles} cycles of opening, generating and closing`, () => {
  let path: string;
  let bare: MemoryReading;
  beforeAll(async () => {
    path = await writeTinyModel(folder);
    bare = await readMemory(fileURLToPath(bareLoop), [path, String(cycles), '512', '5', '8']);
  });

  it.each([{}, { poolTokens: 2048, keyType: 'f32' }, { weights: 'copied', repack: 'off' }])(
    'a model with %j keeps no more memory than llama.cpp does in a bare loop',
    async (engineOptions) => {
      const fixture = new URL('./fixtures/open-generate-close.mjs', import.meta.url);
      const args = [path, String(cycles), JSON.stringify(engineOptions)];
      const engine = await readMemory(fixture, args);
      console.log(`grew by ${memoryGrowth(engine)} bytes, the bare loop by ${memoryGrowth(bare)}`);
      // 160 cycles lie between the two readings, each of which allocates about 20 MB: one that leaked a
      // two-hundredth of it would show.
      expect(memoryGrowth(engine) - Math.max(0, memoryGrowth(bare))).toBeLessThan(12 * 2 ** 20);
      expect(engine.threads).toBe(0);
    },
  );
});
