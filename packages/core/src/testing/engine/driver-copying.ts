import { describe, expect, it } from 'vitest';
import type { SequenceDriver } from '../../engine/driver.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { drive, specOf, withSequence } from '../drive.js';
import { expectContinuation, largest, nextAfter } from './comparing.js';
import { longPrompt, promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';

/** Sequences that take over what another one has cached. */
export function testDriverCopying(fixture: EngineFixture): void {
  const test = (title: string, body: (skip: (note: string) => void) => Promise<void>) => {
    it(title, async (context) => {
      const skip = (note: string) => {
        context.skip(note);
      };
      const { copySequence, maxSequences } = fixture.driver.capabilities;
      if (!copySequence) skip('the engine does not declare "copySequence"');
      if (maxSequences < 2) skip('the engine declares one sequence only');
      await body(skip);
    });
  };
  const exact = () => fixture.driver.capabilities.truncate === 'exact';
  const head = () => longPrompt(fixture.model, 33);
  const other = () => promptOf(fixture.model, 'Two plus two is');
  /** What tells that these tokens are cached: what follows some more of them. */
  const cacheOf = async (sequence: SequenceDriver, tokens: readonly Token[]) => {
    expect(sequence.tokenCount).toBe(tokens.length);
    const more = promptOf(fixture.model);
    const next = await nextAfter(fixture, sequence, more);
    return { next, tokens: [...tokens, ...more], changed: tokens.length - 1 };
  };

  describe('sequences that copy', () => {
    test('take over the beginning of another cache, each going its own way', async () => {
      await withSequence(fixture.model, async (source) => {
        await drive(source, head(), { maxTokens: 0 });
        // Only whole caches can be copied where they cannot be cut.
        if (exact()) await drive(source, other(), { maxTokens: 0 });
        await expectContinuation(fixture, async (copy) => {
          expect(await copyFrom(copy, source, head().length)).toBe(true);
          expect(copy.tokenCount).toBe(head().length);
          await drive(source, promptOf(fixture.model, 'The sun rises in the'), { maxTokens: 3 });
          expect(copy.tokenCount).toBe(head().length);
          await source.truncate(0);
          return cacheOf(copy, head());
        });
      });
    });

    test('leave the other one as it was', async () => {
      await expectContinuation(fixture, async (source) => {
        await drive(source, head(), { maxTokens: 0 });
        await withSequence(fixture.model, async (copy) => {
          await copyFrom(copy, source, head().length);
          await drive(copy, other(), { maxTokens: 3 });
          await copy.truncate(0);
        });
        return cacheOf(source, head());
      });
    });

    test('lose what they had cached to what they take over', async () => {
      await withSequence(fixture.model, async (source) => {
        await drive(source, other(), { maxTokens: 0 });
        await expectContinuation(fixture, async (copy) => {
          await drive(copy, head(), { maxTokens: 0 });
          expect(await copyFrom(copy, source, other().length)).toBe(true);
          return cacheOf(copy, other());
        });
      });
    });

    test('copy from one that generates', async (skip) => {
      if (!exact()) skip('a cache that grows cannot be copied whole');
      await withSequence(fixture.model, async (source) => {
        // It waits for its reader in the middle of an answer.
        const reader = source
          .generate(head(), specOf({ maxTokens: 40, creditTokens: 1 }))
          [Symbol.asyncIterator]();
        const nextTokens = async () => {
          const result = await reader.next();
          if (result.done) throw new Error('the generation ended early');
          return result.value.tokens;
        };
        while ((await nextTokens()).length === 0);
        await expectContinuation(fixture, async (copy) => {
          expect(await copyFrom(copy, source, head().length)).toBe(true);
          return cacheOf(copy, head());
        });
        expect((await nextTokens()).length).toBeGreaterThan(0);
        await reader.return?.();
      });
    });

    test('refuse what they cannot have, and keep what they had', async () => {
      await withSequence(fixture.model, async (source) => {
        await drive(source, head(), { maxTokens: 0 });
        await expectContinuation(fixture, async (copy) => {
          await drive(copy, other(), { maxTokens: 0 });
          const cut = source.truncate(3);
          // Asked for while the other one is being cut.
          expect(await copyFrom(copy, source, head().length)).toBe(false);
          await cut;
          return cacheOf(copy, other());
        });
      });
    });

    test('sample from logits that came with a whole cache', async (skip) => {
      if (!fixture.driver.capabilities.exportKv) skip('the engine keeps no logits');
      await withSequence(fixture.model, async (source) => {
        await drive(source, head(), { maxTokens: 0, keepLogits: true });
        await withSequence(fixture.model, async (copy) => {
          await copyFrom(copy, source, head().length);
          const { nextLogits } = await source.exportKv!({ fromToken: head().length });
          const { tokens, batches } = await drive(copy, [], { maxTokens: 1 });
          expect(tokens).toEqual([largest(nextLogits!)]);
          expect(batches.at(-1)?.prefilledTokens).toBe(0);
        });
      });
    });

    test('refuse a sequence of another model', async () => {
      const stranger = { tokenCount: 3 } as unknown as SequenceDriver;
      await withSequence(fixture.model, async (copy) => {
        await expect(copyFrom(copy, stranger, 3)).rejects.toMatchObject({ key: 'source' });
        expect(copy.tokenCount).toBe(0);
      });
    });
  });
}

function copyFrom(
  copy: SequenceDriver,
  source: SequenceDriver,
  tokenCount: number,
): Promise<boolean> {
  if (!copy.copyFrom) throw new Error('copySequence is declared, and copyFrom is missing');
  return copy.copyFrom(source, tokenCount);
}
