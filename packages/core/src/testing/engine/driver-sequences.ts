import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../errors/mobillm-error.js';
import type { SequenceDriver, TokenBatch } from '../../engine/driver.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import type { EngineFixture } from './fixture.js';
import { expectContinuation, expectNearest, expectSameRun, nextAfter } from './comparing.js';
import { type Driven, drive, rejection, specOf, withSequence } from '../drive.js';
import { longPrompt, promptOf } from './driving.js';

/** Runs a generation to its end, and does something as soon as its first token is there. */
async function driveThen(
  sequence: SequenceDriver,
  prompt: readonly Token[],
  logprobs: number | undefined,
  afterFirst: () => void,
): Promise<Pick<Driven, 'tokens' | 'logprobs'>> {
  const batches: TokenBatch[] = [];
  for await (const batch of sequence.generate(prompt, specOf({ logprobs, creditTokens: 1 }))) {
    batches.push(batch);
    if (batch.tokens.length > 0) afterFirst();
  }
  return {
    tokens: batches.flatMap(({ tokens }) => tokens),
    logprobs: batches.flatMap((batch) => batch.logprobs ?? []),
  };
}

/** Sequences beside each other, cut and copied. */
export function testDriverSequences(fixture: EngineFixture): void {
  const requireTwo = (skip: (note: string) => void) => {
    if (fixture.driver.capabilities.maxSequences < 2) {
      skip('the engine declares one sequence only');
    }
  };

  describe('sequences', () => {
    it('begin empty', async () => {
      await withSequence(fixture.model, (sequence) => {
        expect(sequence.tokenCount).toBe(0);
        return Promise.resolve();
      });
    });

    it('go on from what is cached', async () => {
      const prompt = promptOf(fixture.model);
      const [head, tail] = [prompt.slice(0, -1), prompt.slice(-1)];
      const inTwo = () =>
        withSequence(fixture.model, async (sequence) => {
          await drive(sequence, head, { maxTokens: 0 });
          expect(sequence.tokenCount).toBe(head.length);
          return (await drive(sequence, tail)).tokens;
        });
      const expected = await inTwo();
      // The same steps after other tokens were generated and cut off again.
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, head, { maxTokens: 0 });
        await drive(sequence, tail, { maxTokens: 5 });
        const left = await sequence.truncate(head.length);
        expect(left).toBe(sequence.tokenCount);
        if (fixture.driver.capabilities.truncate === 'exact') expect(left).toBe(head.length);
        else await drive(sequence, head.slice(left), { maxTokens: 0 });
        expect((await drive(sequence, tail)).tokens).toEqual(expected);
      });
    });

    it('go on after a cut as if the rest had never been', async () => {
      const prompt = longPrompt(fixture.model, 40);
      const other = promptOf(fixture.model, 'Two plus two is');
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt, { maxTokens: 3 });
        const left = await sequence.truncate(21);
        expect(sequence.tokenCount).toBe(left);
        if (left < 21) await drive(sequence, prompt.slice(left, 21), { maxTokens: 0 });
        const tokens = [...prompt.slice(0, 21), ...other];
        const next = await nextAfter(fixture, sequence, other);
        expect(sequence.tokenCount).toBe(tokens.length);
        return { next, tokens, changed: 20 };
      });
    });

    it('go on after tokens were taken out of the middle', async (context) => {
      const { removeTokens, truncate } = fixture.driver.capabilities;
      if (!removeTokens) context.skip('the engine does not declare "removeTokens"');
      if (truncate !== 'exact') context.skip('a cache that cannot be cut has no middle');
      const prompt = longPrompt(fixture.model, 40);
      const question = promptOf(fixture.model);
      const left = [...prompt.slice(0, 9), ...prompt.slice(30)];
      const seen = await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, prompt, { maxTokens: 0 });
        expect(await sequence.removeTokens?.(9, 30)).toBe(true);
        expect(sequence.tokenCount).toBe(left.length);
        return nextAfter(fixture, sequence, question);
      });
      // What was left was computed with all of it: near to what it gives by itself, at least nearer
      // than when a part of it were missing, too.
      await expectNearest(
        fixture,
        seen,
        [...left, ...question],
        [...left.slice(0, 9), ...question],
      );
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt, { maxTokens: 0 });
        await sequence.removeTokens?.(9, 30);
        await sequence.truncate(9);
        const next = await nextAfter(fixture, sequence, question);
        return { next, tokens: [...prompt.slice(0, 9), ...question] };
      });
    });

    it('forget everything when cut to nothing', async () => {
      const prompt = promptOf(fixture.model);
      const expected = await withSequence(fixture.model, (sequence) => drive(sequence, prompt));
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, promptOf(fixture.model, 'Two plus two is'));
        expect(await sequence.truncate(0)).toBe(0);
        expect(sequence.tokenCount).toBe(0);
        expect((await drive(sequence, prompt)).tokens).toEqual(expected.tokens);
      });
    });

    it('run side by side without mixing', async (context) => {
      requireTwo((note) => {
        context.skip(note);
      });
      const prompts = ['Once upon a time there was a', 'The sun rises in the'].map((text) =>
        promptOf(fixture.model, text),
      );
      const logprobs = fixture.driver.capabilities.logprobs ? 2 : undefined;
      const answer = (prompt: readonly Token[]) =>
        withSequence(fixture.model, (sequence) => drive(sequence, prompt, { logprobs }));
      const alone: Driven[] = [];
      for (const prompt of prompts) alone.push(await answer(prompt));
      const together = await Promise.all(prompts.map(answer));
      for (const [index, run] of together.entries()) expectSameRun(run, alone[index]!);
    });

    it('go on undisturbed when one beside them is aborted', async (context) => {
      requireTwo((note) => {
        context.skip(note);
      });
      const prompt = promptOf(fixture.model);
      const logprobs = fixture.driver.capabilities.logprobs ? 2 : undefined;
      const quiet = await withSequence(fixture.model, (sequence) =>
        drive(sequence, prompt, { logprobs }),
      );
      const reason = new Error('enough');
      // In its prompt, then while it decodes: an engine may compute both in one step with others.
      for (const beside of [longPrompt(fixture.model, 60), prompt]) {
        const controller = new AbortController();
        const aborted = withSequence(fixture.model, async (sequence) => {
          // Again and again: it must not end before it is aborted.
          for (;;) {
            await drive(sequence, beside, { maxTokens: 60 }, controller.signal);
            await sequence.truncate(0);
          }
        });
        const refused = rejection(aborted);
        const run = await withSequence(fixture.model, (sequence) =>
          driveThen(sequence, prompt, logprobs, () => {
            controller.abort(reason);
          }),
        );
        expect(await refused).toBe(reason);
        expectSameRun(run, quiet);
      }
    });

    it('are refused with BUSY past the number that was opened', async (context) => {
      const limit = Math.min(3, fixture.driver.capabilities.maxSequences);
      if (limit === Infinity) context.skip('the engine declares no limit');
      const open = await Promise.all(
        Array.from({ length: limit }, () => fixture.model.createSequence()),
      );
      try {
        const error = await rejection(fixture.model.createSequence());
        expect(MobillmError.is(error, 'BUSY')).toBe(true);
      } finally {
        await Promise.all(open.map((sequence) => sequence.close()));
      }
      await withSequence(fixture.model, () => Promise.resolve());
    });
  });
}
