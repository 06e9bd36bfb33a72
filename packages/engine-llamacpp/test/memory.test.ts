import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Engine } from '@mobillm/core';
import { readMemory } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);

describe('memory', () => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await createLlamaCppEngine();
  });
  afterAll(() => engine.close());

  it('is searched for the largest context, and then for smaller number formats', async () => {
    const whole = await engine.estimate(defaultModelPath, { contextTokens: 8192 });
    const all = await engine.fit(defaultModelPath, { budgetBytes: whole.totalBytes });
    expect(all.openOptions).toEqual({ contextTokens: 8192, sequences: 4, engineOptions: {} });

    const budgetBytes = Math.floor(whole.totalBytes * 0.9);
    const shorter = await engine.fit(defaultModelPath, { budgetBytes });
    expect(shorter.openOptions.engineOptions).toEqual({});
    expect(shorter.openOptions.contextTokens).toBeLessThan(8192);
    expect(shorter.estimate.totalBytes).toBeLessThanOrEqual(budgetBytes);

    const longer = await engine.fit(defaultModelPath, { budgetBytes, prefer: 'context' });
    expect(longer.openOptions).toMatchObject({
      contextTokens: 8192,
      engineOptions: { valueType: 'q8_0' },
    });
    expect(longer.estimate.totalBytes).toBeLessThanOrEqual(budgetBytes);
  });

  it('that was found to fit is enough to open the model', async () => {
    const { openOptions } = await engine.fit(tinyPath);
    const model = await engine.open(tinyPath, openOptions);
    expect(model.contextTokens).toBe(openOptions.contextTokens);
    await model.close();
  });

  it('is refused with the least that is needed where that is too much', async () => {
    const contextTokens = { min: 1024 };
    const variants = [{}, { valueType: 'q8_0' }, { keyType: 'q8_0', valueType: 'q8_0' }];
    const estimates = await Promise.all(
      variants.map((engineOptions) =>
        engine.estimate(defaultModelPath, { contextTokens: 1024, engineOptions }),
      ),
    );
    const neededBytes = Math.min(...estimates.map(({ totalBytes }) => totalBytes));
    await expect(
      engine.fit(defaultModelPath, { budgetBytes: 1_000_000, contextTokens }),
    ).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      details: { neededBytes, availableBytes: 1_000_000, contextTokens: 1024 },
    });
  });

  it.runIf(process.platform === 'linux').each([
    [{ weights: 'copied', repack: 'off' }, 1],
    [{ weights: 'copied', repack: 'off', poolTokens: 4096, keyType: 'f32', valueType: 'f32' }, 4],
    [{ weights: 'locked', repack: 'off', poolTokens: 2048 }, 2],
  ])(
    'taken with %j is what the estimate says, and is given back',
    async (engineOptions, sequences) => {
      const program = new URL('fixtures/take-and-give-back.mjs', import.meta.url);
      const options = { contextTokens: 1024, sequences, engineOptions };
      const taken = (await readMemory(program, [
        defaultModelPath,
        JSON.stringify(options),
        '520',
      ])) as unknown as Taken;
      if (taken.code !== undefined) {
        // This process may not lock that much, which the test after this one is about.
        expect([engineOptions.weights, taken.code]).toEqual(['locked', 'UNSUPPORTED']);
        return;
      }
      expect(taken.method).toBe('exact');
      // What the library keeps beside it: the vocabulary, a cell's metadata, graphs.
      expect(taken.openBytes).toBeLessThan(taken.totalBytes + 24 * 2 ** 20);
      // Scratch memory is not all touched.
      expect(taken.openBytes).toBeGreaterThan(0.8 * taken.totalBytes);
      // A few pieces of the allocator's and of JavaScript's stay; whether they become more, `leak.test.ts`
      // tells.
      expect(taken.closedBytes).toBeLessThan(8 * 2 ** 20);
      const isLocked = engineOptions.weights === 'locked';
      expect(taken.lockedBytes > 50 * 2 ** 20).toBe(isLocked);
      // Of memory that is freed into a page with something else in it, the page stays locked.
      expect(taken.stillLockedBytes).toBeLessThan(64 * 2 ** 10);
    },
  );

  it('of weights is locked, or it is said why it cannot be', async () => {
    if (process.platform === 'win32') return;
    const program = fileURLToPath(new URL('fixtures/open-locked.mjs', import.meta.url));
    const limited = `ulimit -l 64 && exec "${process.execPath}" "${program}" "${tinyPath}"`;
    // Whether the process is privileged enough to lock more than its limit is the machine's affair.
    for (const command of [limited, limited.replace('ulimit -l 64 && ', '')]) {
      const { stdout } = await promisify(execFile)('sh', ['-c', command]);
      const outcome = JSON.parse(stdout) as Outcome;
      if (outcome.code === undefined) {
        expect(outcome.lockedBytes).toBeGreaterThanOrEqual(outcome.weightBytes);
      } else {
        expect(outcome).toMatchObject({
          code: 'UNSUPPORTED',
          details: {
            weightBytes: expect.any(Number) as number,
            reason: expect.stringMatching(/./u) as string,
          },
        });
      }
    }
  });
});

/** See `take-and-give-back.mjs`. */
interface Taken {
  readonly code?: string;
  readonly totalBytes: number;
  readonly method: string;
  readonly openBytes: number;
  readonly closedBytes: number;
  readonly lockedBytes: number;
  readonly stillLockedBytes: number;
}

interface Outcome {
  readonly weightBytes: number;
  readonly lockedBytes: number;
  readonly code?: string;
  readonly details?: object;
}
