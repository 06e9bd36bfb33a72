import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../errors/mobillm-error.js';
import type { EngineFixture } from './fixture.js';
import { drive, rejection, specOf, withSequence } from '../drive.js';
import { longPrompt, passTokens, promptOf } from './driving.js';

/** One generation on one sequence: counts, ends, abort, leaving, credit. */
export function testDriverGenerating(fixture: EngineFixture): void {
  describe('generating', () => {
    it('prefills every prompt token, samples maxTokens and says so', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        const run = await drive(sequence, prompt, { maxTokens: 8 });
        expect(run.tokens).toHaveLength(8);
        expect(run.finish).toBe('max-tokens');
        expect(run.batches.at(-1)?.prefilledTokens).toBe(prompt.length);
        expect(run.batches.filter((batch) => batch.finish)).toHaveLength(1);
        expect(sequence.tokenCount).toBe(prompt.length + 7);
      });
    });

    it('gives the same tokens for the same prompt on a fresh sequence', async () => {
      const prompt = promptOf(fixture.model);
      const once = () => withSequence(fixture.model, (sequence) => drive(sequence, prompt));
      expect((await once()).tokens).toEqual((await once()).tokens);
    });

    it('only prefills when maxTokens is 0', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        const run = await drive(sequence, prompt, { maxTokens: 0 });
        expect(run.tokens).toEqual([]);
        expect(run.finish).toBe('max-tokens');
        expect(sequence.tokenCount).toBe(prompt.length);
      });
    });

    it('ends at an end token, reports it and does not cache it', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        const free = await drive(sequence, prompt, { maxTokens: 6 });
        const end = free.tokens[3] ?? -1;
        const expected = free.tokens.slice(0, free.tokens.indexOf(end) + 1);
        await sequence.truncate(0);
        const ended = await drive(sequence, prompt, { maxTokens: 6, endTokens: new Set([end]) });
        expect(ended.tokens).toEqual(expected);
        expect(ended.finish).toBe('end-token');
        expect(sequence.tokenCount).toBe(prompt.length + expected.length - 1);
      });
    });

    it('stops when the context is full, and says so', async () => {
      const { contextTokens } = fixture.model;
      const prompt = longPrompt(fixture.model, contextTokens - 4);
      await withSequence(fixture.model, async (sequence) => {
        const run = await drive(sequence, prompt, { maxTokens: 50 });
        expect(run.finish).toBe('context-full');
        // The token after a full cache can still be sampled, but nothing after it.
        expect(run.tokens).toHaveLength(5);
        expect(sequence.tokenCount).toBe(contextTokens);
      });
    });

    it('rejects with the very reason of an abort, prefill included', async () => {
      const reason = new Error('the user went on');
      const prompt = longPrompt(fixture.model, fixture.model.contextTokens - 32);
      await withSequence(fixture.model, async (sequence) => {
        const abort = new AbortController();
        const running = drive(sequence, prompt, {}, abort.signal);
        abort.abort(reason);
        expect(await rejection(running)).toBe(reason);
        expect(sequence.tokenCount).toBeLessThanOrEqual(prompt.length);
      });
    });

    it('rejects with the reason of an abort in the middle of decoding', async () => {
      const reason = new Error('the user went on');
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        const abort = new AbortController();
        let seen = 0;
        const reading = (async () => {
          const spec = specOf({ maxTokens: 300 });
          for await (const batch of sequence.generate(prompt, spec, abort.signal)) {
            seen += batch.tokens.length;
            if (seen >= 3) abort.abort(reason);
          }
        })();
        expect(await rejection(reading)).toBe(reason);
        expect(seen).toBeLessThan(300);
      });
    });

    it('keeps a truthful count after an abort, from which it can go on', async () => {
      const prompt = promptOf(fixture.model);
      const expected = await withSequence(fixture.model, (sequence) => drive(sequence, prompt));
      await withSequence(fixture.model, async (sequence) => {
        const abort = new AbortController();
        const reading = (async () => {
          const spec = specOf({ maxTokens: 300 });
          for await (const batch of sequence.generate(prompt, spec, abort.signal)) {
            if (batch.tokens.length > 0) abort.abort();
          }
        })();
        await rejection(reading);
        expect(await sequence.truncate(sequence.tokenCount)).toBe(sequence.tokenCount);
        await sequence.truncate(0);
        expect(sequence.tokenCount).toBe(0);
        expect((await drive(sequence, prompt)).tokens).toEqual(expected.tokens);
      });
    });

    it('works ahead of its reader by its credit and no further', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        const spec = specOf({ maxTokens: 40, creditTokens: 4 });
        const run = sequence.generate(prompt, spec)[Symbol.asyncIterator]();
        let tokens = 0;
        for (let step = await run.next(); !step.done; step = await run.next()) {
          tokens += step.value.tokens.length;
          if (tokens > 0) break;
        }
        expect(tokens).toBeGreaterThan(0);
        await passTokens(fixture, 24);
        expect(sequence.tokenCount - prompt.length - tokens).toBeLessThanOrEqual(4);
        for (;;) {
          const step = await run.next();
          if (step.done) break;
          tokens += step.value.tokens.length;
        }
        expect(tokens).toBe(40);
      });
    });

    it('has stopped once the reader has left', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        for await (const batch of sequence.generate(prompt, specOf({ maxTokens: 100 }))) {
          if (batch.tokens.length > 0) break;
        }
        const count = sequence.tokenCount;
        await passTokens(fixture, 12);
        expect(sequence.tokenCount).toBe(count);
      });
    });

    it('says CLOSED to a generation on a closed sequence', async () => {
      const sequence = await fixture.model.createSequence();
      await sequence.close();
      const error = await rejection(drive(sequence, promptOf(fixture.model)));
      expect(MobillmError.is(error, 'CLOSED')).toBe(true);
    });
  });
}
