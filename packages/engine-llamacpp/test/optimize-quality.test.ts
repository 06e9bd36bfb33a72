import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { optimizeModel } from '../src/index.js';
import { defaultModelPath, temporaryFolder } from './support/models.js';

/** English of this project, enough to learn from one half and judge by the other. */
const text = readFileSync(
  new URL('../../../docs/writing-an-engine.md', import.meta.url),
  'utf8',
).slice(0, 3500);

describe('optimizing a real model', () => {
  it('comes nearer to the source with mixed formats than with a uniform one of the same size', async () => {
    const folder = temporaryFolder();
    const options = {
      ...{ text, threads: 1, judgedTokens: 256, learnedTokens: 384, windowTokens: 256 },
      formats: ['Q5_0', 'Q4_0'],
    } as const;
    const uniform = await optimizeModel(defaultModelPath, {
      ...{ ...options, target: 'Q4_0', minSpeedup: 1e9, maxPerplexityIncrease: 0 },
      output: join(folder, 'uniform.gguf'),
    });
    const { weightBytes, quality } = uniform.candidates[0]!;
    const mixed = await optimizeModel(defaultModelPath, {
      ...{ ...options, sensitivityTokens: 128, layerBands: 2 },
      target: { bitsPerWeight: uniform.candidates[0]!.bitsPerWeight },
      output: join(folder, 'mixed.gguf'),
    });
    const found = mixed.candidates.find(({ name }) => name === 'mixed')!;
    expect(found.weightBytes).toBeLessThanOrEqual(weightBytes);
    expect(found.quality.divergence).toBeLessThan(quality.divergence);
    expect(mixed).toMatchObject({ decision: 'written', chosen: 'mixed' });
    // What was judged in memory is what the engine reads from the file.
    expect(found.filePerplexity! / found.quality.perplexity).toBeCloseTo(1, 1);
  });
});
