import { describe, expect, it } from 'vitest';
import type { SequenceDriver } from '../../engine/driver.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { expectContinuation, nextAfter } from './comparing.js';
import { drive, rejection, specOf, withSequence } from '../drive.js';
import { longPrompt, promptOf } from './driving.js';
import { type EngineFixture, longestStepTokens } from './fixture.js';

/** Prompts of several steps: whole, step by step, and stopped in the middle. */
export function testDriverPrefilling(fixture: EngineFixture): void {
  /** Three steps and a bit, so that a step's edge lies within and the last one is not whole. */
  const severalSteps = (): Token[] =>
    longPrompt(fixture.model, 3 * longestStepTokens(fixture.options) + 5);

  /** Appends what is not cached yet; the last token always stays back for it. */
  const goOn = async (sequence: SequenceDriver, tokens: readonly Token[], changed: number) => {
    const next = await nextAfter(fixture, sequence, tokens.slice(sequence.tokenCount));
    expect(sequence.tokenCount).toBe(tokens.length);
    return { next, tokens, changed };
  };

  describe('prefilling', () => {
    it('gives for a prompt of several steps what it gives token by token', async () => {
      const prompt = severalSteps();
      await expectContinuation(fixture, async (sequence) => {
        for (const token of prompt.slice(0, -1)) await drive(sequence, [token], { maxTokens: 0 });
        return goOn(sequence, prompt, longestStepTokens(fixture.options) - 1);
      });
    });

    it('takes a prompt of several steps in several steps', async () => {
      const prompt = severalSteps();
      // Steps that end before the reader looks come in one batch; on a quick model that may be all.
      const seen = new Set<number>();
      for (let attempt = 0; attempt < 20 && seen.size < 2; attempt++) {
        const { batches } = await withSequence(fixture.model, (sequence) =>
          drive(sequence, prompt, { maxTokens: 0 }),
        );
        for (const { prefilledTokens } of batches) seen.add(prefilledTokens);
      }
      expect(
        seen.size,
        `counts of prefilled tokens; is prefillStepTokens really at least the engine's longest step?`,
      ).toBeGreaterThan(1);
    });

    it('gives for a prompt in two parts what it gives for the whole', async () => {
      const prompt = severalSteps();
      // One token past a step's edge, so that all later edges lie elsewhere.
      const cut = longestStepTokens(fixture.options) + 1;
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt.slice(0, cut), { maxTokens: 0 });
        expect(sequence.tokenCount).toBe(cut);
        return goOn(sequence, prompt, cut - 1);
      });
    });

    it('goes on after an abort in the middle of a prompt as if there had been none', async () => {
      const prompt = severalSteps();
      await expectContinuation(fixture, async (sequence) => {
        const abort = new AbortController();
        const spec = specOf({ maxTokens: 0 });
        const reading = (async () => {
          const run = sequence.generate(prompt.slice(0, -1), spec, abort.signal);
          for await (const _batch of run) abort.abort();
        })();
        await rejection(reading);
        expect(sequence.tokenCount).toBeLessThan(prompt.length);
        return goOn(sequence, prompt, Math.max(0, sequence.tokenCount - 1));
      });
    });

    it('goes on after its reader has left in the middle of a prompt', async () => {
      const prompt = severalSteps();
      await expectContinuation(fixture, async (sequence) => {
        const run = sequence.generate(prompt.slice(0, -1), specOf({ maxTokens: 0 }));
        for await (const _batch of run) break;
        return goOn(sequence, prompt, Math.max(0, sequence.tokenCount - 1));
      });
    });

    it('goes on after an abort in the middle of an answer as if there had been none', async () => {
      const prompt = promptOf(fixture.model);
      await expectContinuation(fixture, async (sequence) => {
        const abort = new AbortController();
        const said: Token[] = [];
        const reading = (async () => {
          const spec = specOf({ maxTokens: 60 });
          for await (const batch of sequence.generate(prompt, spec, abort.signal)) {
            said.push(...batch.tokens);
            if (said.length >= 3) abort.abort();
          }
        })();
        await rejection(reading);
        // What the driver had sampled beyond its reader is in the cache, and unknown here.
        const known = [...prompt, ...said].slice(0, sequence.tokenCount);
        if (sequence.tokenCount > known.length) await sequence.truncate(known.length);
        return goOn(sequence, [...known, prompt[1] ?? 0, prompt[0] ?? 0], known.length - 1);
      });
    });
  });
}
