import { describe, expect, it } from 'vitest';
import type { SamplingFeature } from '../../engine/capabilities.js';
import type { EngineFixture } from './fixture.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { greedy } from '../../engine/sampling.js';
import { drive, withSequence } from '../drive.js';
import { promptOf } from './driving.js';

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

    it.for([
      ['topK', { topK: 1 }],
      ['topP', { topP: 1e-6 }],
      ['minP', { minP: 1 }],
    ] as const)(
      'keeps only the best token when %s leaves no other',
      async ([feature, own], context) => {
        const lack = missing('temperature', feature);
        if (lack) context.skip(`the engine does not declare sampling with "${lack}"`);
        const best = await sample({});
        for (const seed of [1, 2, 3]) {
          expect((await sample({ temperature: 2, seed, ...own })).tokens).toEqual(best.tokens);
        }
      },
    );

    it.for([
      ['repeatPenalty', { repeatPenalty: 2 }],
      ['frequencyPenalty', { frequencyPenalty: 0.5 }],
      ['presencePenalty', { presencePenalty: 1 }],
    ] as const)('avoids a token that was seen, with %s', async ([feature, own], context) => {
      const lack = missing(feature, 'logitBias');
      if (lack) context.skip(`the engine does not declare sampling with "${lack}"`);
      if (!fixture.driver.capabilities.logprobs) {
        context.skip('the engine does not declare "logprobs"');
      }
      const run = (prompt: readonly Token[], sampling: Partial<typeof greedy>, logprobs?: number) =>
        withSequence(fixture.model, (sequence) =>
          drive(sequence, prompt, {
            maxTokens: 1,
            sampling: { ...greedy, penaltyLastTokens: 256, ...sampling },
            logprobs,
          }),
        );
      const topAfter = async (prompt: readonly Token[]) =>
        (await run(prompt, {}, 20)).logprobs[0]?.top ?? [];
      // Tokens that the model likes here are put before, several times, to be seen.
      const base = promptOf(fixture.model, ' a b c'.repeat(4));
      const liked = (await topAfter(base)).slice(0, 5).map(({ token }) => token);
      const prompt = [...liked, ...liked, ...liked, ...base];
      const one = (sampling: Partial<typeof greedy>) => run(prompt, sampling);
      const top = await topAfter(prompt);
      const times = (token: number) => prompt.filter((other) => other === token).length;
      const seen = top.find(({ token }) => times(token) >= 3);
      const unseen = top.find(({ token }) => times(token) === 0);
      if (!seen || !unseen) throw new Error('the model offers no token to repeat, or no other');
      // The new token is lifted above all, and the seen one half a unit above it: any penalty has to
      // let the new one through.
      const above = (top[0]?.logprob ?? 0) + 1;
      const logitBias = [
        { token: unseen.token, bias: above - unseen.logprob },
        { token: seen.token, bias: above - seen.logprob + 0.5 },
      ];
      expect((await one({ logitBias })).tokens).toEqual([seen.token]);
      expect((await one({ logitBias, ...own })).tokens).toEqual([unseen.token]);
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
