import { beforeEach, describe, expect, it, type TestContext } from 'vitest';
import type { SamplingFeature } from '../../engine/capabilities.js';
import type { GenerateSpec } from '../../engine/driver.js';
import { greedy, type ResolvedSampling } from '../../engine/sampling.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { type Driven, drive, rejection, specOf, withSequence } from '../drive.js';
import { expectContinuation, expectSameRun, nextAfter, nextOfLogits } from './comparing.js';
import { longPrompt, passTokens, promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';

const always = { speculation: 'always' } as const;

/** A prompt, and a sampling under which every model goes on with it in a certain way. */
interface Trick {
  readonly prompt: readonly Token[];
  readonly sampling: ResolvedSampling;
}

/** Tokens that are guessed ahead: they save time, and change nothing else. */
export function testDriverSpeculating(fixture: EngineFixture): void {
  describe('guessing tokens ahead', () => {
    beforeEach((context) => {
      if (!fixture.driver.capabilities.speculation) {
        context.skip('the engine does not declare "speculation"');
      }
    });

    const need = (context: TestContext, ...features: SamplingFeature[]) => {
      const missing = features.find((one) => !fixture.driver.capabilities.sampling.includes(one));
      if (missing) context.skip(`the engine does not declare sampling with "${missing}"`);
    };
    const words = (count: number) => [...new Set(longPrompt(fixture.model, 11))].slice(0, count);
    const only = (count: number) => words(count).map((token) => ({ token, bias: 1e3 }));
    /** Says six words in turn, since each waits until the others were said: all guesses are right. */
    const turns = (context: TestContext): Trick => {
      need(context, 'logitBias', 'repeatPenalty');
      return {
        prompt: [...promptOf(fixture.model), ...words(6), ...words(6)],
        sampling: { ...greedy, logitBias: only(6), repeatPenalty: 4, penaltyLastTokens: 5 },
      };
    };
    /** Says three words in no order, of which all pairs went before: most guesses are wrong. */
    const anyhow = (context: TestContext): Trick => {
      need(context, 'logitBias', 'temperature', 'topK', 'seed');
      const pairs = [0, 0, 1, 1, 2, 2, 1, 0, 2, 0];
      return {
        prompt: [...promptOf(fixture.model), ...pairs.map((index) => words(3)[index] ?? 0)],
        sampling: { ...greedy, logitBias: only(3), temperature: 100, topK: 3, seed: 5 },
      };
    };
    const say = (from: readonly Token[], own: Partial<GenerateSpec>): Promise<Driven> =>
      withSequence(fixture.model, (sequence) => drive(sequence, from, own));
    const countsOf = ({ batches }: Driven) => {
      const { draftedTokens, acceptedTokens } = batches.at(-1) ?? {};
      return { draftedTokens, acceptedTokens };
    };

    it('guesses where a text repeats itself, and counts what was right', async (context) => {
      const { prompt, sampling } = turns(context);
      const run = await say(prompt, { ...always, sampling, maxTokens: 15 });
      expect(run.tokens).toEqual([...words(6), ...words(6), ...words(3)]);
      const { draftedTokens = 0, acceptedTokens = 0 } = countsOf(run);
      expect(acceptedTokens).toBeGreaterThan(0);
      expect(acceptedTokens).toBeLessThan(15);
      expect(draftedTokens).toBeGreaterThanOrEqual(acceptedTokens);
    });

    it('counts no wrong guess as right', async (context) => {
      const { prompt, sampling } = anyhow(context);
      const run = await say(prompt, { ...always, sampling, maxTokens: 15 });
      const { draftedTokens = 0, acceptedTokens = 0 } = countsOf(run);
      expect(draftedTokens).toBeGreaterThan(0);
      expect(acceptedTokens).toBeLessThan(draftedTokens);
    });

    it('guesses nothing unless asked', async () => {
      const run = await say(longPrompt(fixture.model, 40), { maxTokens: 8 });
      expect(countsOf(run)).toEqual({ draftedTokens: undefined, acceptedTokens: undefined });
    });

    it('says with guesses what it says without', async (context) => {
      const logprobs = fixture.driver.capabilities.logprobs ? 2 : undefined;
      const { prompt, sampling } = anyhow(context);
      for (const [from, own] of [
        [longPrompt(fixture.model, 30), { maxTokens: 14, logprobs }],
        [prompt, { maxTokens: 8, logprobs, sampling: { ...sampling, temperature: 0 } }],
      ] as const) {
        const plain = await say(from, own);
        for (const speculation of ['always', 'auto'] as const) {
          const run = await say(from, { ...own, speculation });
          expect(run.tokens).toHaveLength(own.maxTokens);
          expectSameRun(run, plain);
          if (logprobs) expect(run.logprobs.map(({ token }) => token)).toEqual(run.tokens);
        }
      }
    });

    it('draws with guesses what it draws without', async (context) => {
      const { prompt, sampling } = anyhow(context);
      const plain = await say(prompt, { sampling, maxTokens: 16 });
      expect(new Set(plain.tokens).size).toBeGreaterThan(1);
      const run = await say(prompt, { ...always, sampling, maxTokens: 16 });
      expect(run.tokens).toEqual(plain.tokens);
    });

    it('ends in the middle of guesses where it would have ended', async (context) => {
      const { prompt, sampling } = turns(context);
      const { contextTokens } = fixture.model;
      const full = [...longPrompt(fixture.model, contextTokens - 3 - prompt.length), ...prompt];
      const ends = [
        ['max-tokens', prompt, { maxTokens: 4 }],
        ['end-token', prompt, { maxTokens: 20, endTokens: new Set(words(6).slice(3, 4)) }],
        ['context-full', full, { maxTokens: 20 }],
      ] as const;
      for (const [finish, from, own] of ends) {
        await withSequence(fixture.model, async (sequence) => {
          const run = await drive(sequence, from, { ...always, sampling, ...own });
          expect([run.finish, run.tokens]).toEqual([finish, words(4)]);
          expect(sequence.tokenCount).toBe(from.length + 3);
        });
      }
    });

    it('works ahead of its reader by its credit, guesses included', async (context) => {
      const { prompt, sampling } = turns(context);
      await withSequence(fixture.model, async (sequence) => {
        const spec = specOf({ ...always, sampling, maxTokens: 20, creditTokens: 2 });
        const run = sequence.generate(prompt, spec)[Symbol.asyncIterator]();
        let tokens = 0;
        for (let step = await run.next(); !step.done; step = await run.next()) {
          tokens += step.value.tokens.length;
          if (tokens === 0 || tokens > 6) continue;
          await passTokens(fixture, 10);
          expect(sequence.tokenCount - prompt.length - tokens).toBeLessThanOrEqual(2);
        }
        expect(tokens).toBe(20);
      });
    });

    it('keeps to its grammar with guesses', async (context) => {
      if (!fixture.driver.capabilities.grammar) {
        context.skip('the engine does not declare "grammar"');
      }
      const answer = 'la la la la la la la!';
      const grammar = { source: `root ::= "${answer}"`, answerTokens: 0 };
      const prompt = promptOf(fixture.model);
      const plain = await say(prompt, { grammar, maxTokens: 64 });
      const run = await say(prompt, { ...always, grammar, maxTokens: 64 });
      expect([run.tokens, run.finish]).toEqual([plain.tokens, 'grammar-end']);
      expect(run.batches.at(-1)?.rejectedTokens).toBe(plain.batches.at(-1)?.rejectedTokens);
      expect(fixture.model.tokenizer.decode(run.tokens)).toBe(answer);
    });

    it('has nothing in its cache but what was sampled', async (context) => {
      const { prompt, sampling } = anyhow(context);
      for (const maxTokens of [7, 12]) {
        await expectContinuation(fixture, async (sequence) => {
          const run = await drive(sequence, prompt, { ...always, sampling, maxTokens });
          expect(sequence.tokenCount).toBe(prompt.length + maxTokens - 1);
          const next = await nextAfter(fixture, sequence, run.tokens.slice(-1));
          return { next, tokens: [...prompt, ...run.tokens] };
        });
      }
    });

    it('keeps the logits that follow an answer, and not a guess', async (context) => {
      if (!fixture.driver.capabilities.exportKv) {
        context.skip('the engine does not declare "exportKv"');
      }
      const { prompt, sampling } = anyhow(context);
      for (const maxTokens of [7, 12]) {
        await expectContinuation(fixture, async (sequence) => {
          const spec = { ...always, sampling, maxTokens, keepLogits: true };
          const run = await drive(sequence, prompt, spec);
          const kept = await sequence.exportKv?.({ fromToken: sequence.tokenCount });
          const next = nextOfLogits(kept?.nextLogits ?? new Float32Array());
          return { next, tokens: [...prompt, ...run.tokens.slice(0, -1)] };
        });
      }
    });

    it('has nothing of its guesses in its cache after an abort', async (context) => {
      const { prompt, sampling } = anyhow(context);
      const plain = await say(prompt, { sampling, maxTokens: 40 });
      const spec = specOf({ ...always, sampling, maxTokens: 40, creditTokens: 8 });
      for (const least of [3, 8, 14]) {
        await expectContinuation(fixture, async (sequence) => {
          const abort = new AbortController();
          const reason = new Error('the user went on');
          let seen = 0;
          const reading = (async () => {
            for await (const batch of sequence.generate(prompt, spec, abort.signal)) {
              seen += batch.tokens.length;
              if (seen >= least) abort.abort(reason);
            }
          })();
          expect(await rejection(reading)).toBe(reason);
          const count = sequence.tokenCount - prompt.length;
          expect(count).toBeGreaterThanOrEqual(least - 1);
          expect(count).toBeLessThan(seen + 8);
          const next = await nextAfter(fixture, sequence, plain.tokens.slice(count, count + 1));
          return { next, tokens: [...prompt, ...plain.tokens.slice(0, count + 1)] };
        });
      }
    });
  });
}
