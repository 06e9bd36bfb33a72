import { describe, expect, it } from 'vitest';
import type { SamplingFeature } from '../../engine/capabilities.js';
import type { EngineFixture } from './fixture.js';
import { drive, greedy, promptOf, withSequence } from './driving.js';

/** How tokens are chosen: seeds, bias, log-probabilities. */
export function testDriverSampling(fixture: EngineFixture): void {
  const missing = (...features: SamplingFeature[]) =>
    features.find((feature) => !fixture.driver.capabilities.sampling.includes(feature));

  const sample = (sampling: Partial<typeof greedy>, logprobs?: number) =>
    withSequence(fixture.model, (sequence) =>
      drive(sequence, promptOf(fixture.model), {
        maxTokens: 16,
        sampling: { ...greedy, ...sampling },
        logprobs,
      }),
    );

  describe('sampling', () => {
    it('repeats itself with the same seed and not with another', async (context) => {
      const lack = missing('temperature', 'seed');
      if (lack) context.skip(`the engine does not declare sampling with "${lack}"`);
      const first = await sample({ temperature: 1.5, seed: 1 });
      const again = await sample({ temperature: 1.5, seed: 1 });
      const other = await sample({ temperature: 1.5, seed: 2 });
      expect(again.tokens).toEqual(first.tokens);
      expect(other.tokens).not.toEqual(first.tokens);
    });

    it('never samples a token whose bias is -Infinity', async (context) => {
      const lack = missing('logitBias');
      if (lack) context.skip(`the engine does not declare sampling with "${lack}"`);
      const free = await sample({});
      const token = free.tokens[0] ?? -1;
      const biased = await sample({ logitBias: [{ token, bias: -Infinity }] });
      expect(biased.tokens).not.toContain(token);
    });

    it('keeps only the best token with topK 1, whatever the temperature', async (context) => {
      const lack = missing('temperature', 'topK');
      if (lack) context.skip(`the engine does not declare sampling with "${lack}"`);
      if (fixture.driver.name === 'fake') context.skip('the fake engine has no probabilities');
      const best = await sample({});
      const hot = await sample({ temperature: 2, topK: 1 });
      expect(hot.tokens).toEqual(best.tokens);
    });

    it('reports log-probabilities, one row a token, best first', async (context) => {
      if (!fixture.driver.capabilities.logprobs) {
        context.skip('the engine does not declare "logprobs"');
      }
      const run = await sample({}, 3);
      expect(run.logprobs.map((row) => row.token)).toEqual(run.tokens);
      for (const row of run.logprobs) {
        const values = row.top.map((item) => item.logprob);
        expect(values).toHaveLength(3);
        expect(values).toEqual([...values].sort((a, b) => b - a));
        expect(values.every((value) => value <= 0)).toBe(true);
        // Greedy decoding takes the most probable token.
        expect(row.top[0]).toMatchObject({ token: row.token });
        expect(row.logprob).toBeCloseTo(row.top[0]?.logprob ?? NaN, 5);
      }
    });
  });
}
