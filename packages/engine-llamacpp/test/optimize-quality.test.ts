import { validateGgufFile } from '@mobillm/core';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resolveOpenOptions } from '../src/engine-options.js';
import { ModelHeaders } from '../src/model-header.js';
import { candidatePlans } from '../src/optimize/candidate-plans.js';
import { loadAddon } from '../src/optimize/measure-perplexity.js';
import { resolveOptimizeOptions } from '../src/optimize/optimize-options.js';
import { TextQuality } from '../src/optimize/text-quality.js';
import { TextScorer } from '../src/optimize/text-scorer.js';
import { textWindows } from '../src/optimize/text-windows.js';
import { matricesOf, sizesOf } from '../src/optimize/weight-plan.js';
import { defaultModelPath, filesOf } from './support/models.js';

/** English of this project: the first tokens are learned from, those behind them judge. */
const text = readFileSync(new URL('../../../docs/writing-an-engine.md', import.meta.url), 'utf8');
const [learnedTokens, judgedTokens] = [256, 192];

/** What a file of Q4_0 has of this model whose output keeps its eight bits. */
const uniformBytes = 89_941_248;

describe('a budget for a real model', () => {
  it(
    'keeps it nearer to itself by mixed formats than a uniform one does in as many bytes',
    { timeout: 300_000 },
    async () => {
      const addon = await loadAddon(undefined);
      const header = await new ModelHeaders(addon).read(filesOf(defaultModelPath));
      const layout = await validateGgufFile(defaultModelPath);
      const scorer = await TextScorer.open(addon, header, {
        ...{ use: 'weights', contextTokens: 256, threads: 1, signal: undefined },
        own: resolveOpenOptions({ batchTokens: 128 }),
      });
      const tokens = await scorer.encode(text);
      const window = { windowTokens: 256, strideTokens: 128, bosToken: scorer.bosToken };
      const learned = textWindows(tokens.subarray(0, learnedTokens), window);
      const judged = textWindows(
        tokens.subarray(learnedTokens, learnedTokens + judgedTokens),
        window,
      );
      for (const { tokens: part } of learned) {
        await scorer.score({ tokens: part, first: 1, reference: 'none', place: 0, learn: true });
      }
      const matrices = matricesOf(layout, await scorer.weights());
      expect(matrices).toHaveLength(30 * 7 + 1);
      // The output is the embedding, whose use by every token counts.
      expect(matrices.find(({ isOutput }) => isOutput)!.tensor.name).toBe('token_embd.weight');
      const quality = new TextQuality(scorer, judged, 0);
      await quality.keep(() => undefined);
      const { plans } = await candidatePlans({
        ...{ scorer, layout, matrices, learned, firstPlace: judged.length },
        onProgress: () => undefined,
        options: resolveOptimizeOptions({
          ...{ text, output: 'none', sensitivityTokens: 64, layerBands: 1 },
          target: { bitsPerWeight: (uniformBytes * 8) / 134_515_008 },
          formats: ['Q5_0', 'Q4_0'],
        }),
      });
      const found = new Map<string, { weightBytes: number; divergence: number }>();
      for (const [name, plan] of plans) {
        const { divergence } = await quality.judge(plan, true, () => undefined);
        found.set(name, { weightBytes: sizesOf(layout, plan).weightBytes, divergence });
      }
      await scorer.close();
      const [mixed, uniform] = [found.get('mixed')!, found.get('Q4_0')!];
      expect(uniform.weightBytes).toBe(uniformBytes);
      expect(mixed.weightBytes).toBeLessThanOrEqual(uniformBytes);
      // Measured: a tenth of it. A choice that did not look at the sensitivity would not get there.
      expect(mixed.divergence).toBeLessThan(uniform.divergence / 3);
    },
  );
});
