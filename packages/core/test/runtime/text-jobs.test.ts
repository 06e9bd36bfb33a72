import { afterEach, describe, expect, it } from 'vitest';
import type { Model } from '../../src/engine/engine.js';
import { createEngine } from '../../src/runtime/create-engine.js';
import { createFakeDriver, fakeFiles } from '../../src/testing/index.js';

const closes: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closes.splice(0).map((close) => close())));

/** A model whose vectors are all alike and come when they are let. */
async function openHeld(
  vector: Float32Array = Float32Array.of(3, 4),
): Promise<{ readonly model: Model; readonly letGo: () => void }> {
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const driver = createFakeDriver();
  const engine = createEngine({
    ...driver,
    async open(files, options) {
      return Object.assign(await driver.open(files, options), {
        embed: async (texts: readonly unknown[]) => {
          await gate;
          return texts.map(() => vector);
        },
        rerank: async (_query: string, documents: readonly string[]) => {
          await gate;
          return documents.map(() => 1);
        },
      });
    },
  });
  closes.push(() => engine.close());
  return { model: await engine.open(fakeFiles, { contextTokens: 64 }), letGo };
}

describe('texts to embed and documents to score', () => {
  it('are refused where 64 calls wait, and taken again when some have ended', async () => {
    const { model, letGo } = await openHeld();
    const calls = Array.from({ length: 64 }, () => model.embed(['a']));
    const scored = model.rerank('a', ['b']);
    await expect(model.embed(['a'])).rejects.toMatchObject({
      code: 'BUSY',
      retryable: true,
      details: { waiting: 64 },
    });
    await expect(model.rerank('a', ['b'])).rejects.toMatchObject({ code: 'BUSY' });
    letGo();
    expect(await Promise.all(calls)).toHaveLength(64);
    expect(await scored).toEqual([{ index: 0, score: 1 }]);
    expect(await model.embed(['a'])).toHaveLength(1);
  });

  it('leave the thread to others while many vectors are normalised', async () => {
    const length = 4096;
    const { model, letGo } = await openHeld(new Float32Array(length).fill(2));
    letGo();
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const vectors = await model.embed(Array.from({ length: 64 }, () => 'a'));
    clearImmediate(next);
    expect(vectors).toHaveLength(64);
    for (const vector of vectors) expect(vector[0]).toBeCloseTo(1 / Math.sqrt(length), 6);
    // 64 × 4096 numbers, 32768 at once.
    expect(turns).toBeGreaterThanOrEqual(8);
  });
});
