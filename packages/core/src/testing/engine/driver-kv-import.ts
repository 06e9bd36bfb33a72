import { describe, expect, it } from 'vitest';
import type { SequenceDriver } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { convertKvSnapshot } from '../../kv/convert-kv-snapshot.js';
import type { KvSnapshot } from '../../kv/kv-snapshot.js';
import { joinKvSnapshots, sliceKvSnapshot } from '../../kv/slice-kv-snapshot.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { expectContinuation, largest, nextAfter } from './comparing.js';
import { exportOf } from './driver-kv-export.js';
import { drive, rejection, specOf, withSequence } from '../drive.js';
import { longPrompt, promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';
import { foreignSnapshots } from './foreign-snapshots.js';

function importInto(
  sequence: SequenceDriver,
  snapshot: KvSnapshot,
  signal?: AbortSignal,
): Promise<void> {
  if (!sequence.importKv) throw new Error('importKv() is declared but missing');
  return sequence.importKv(snapshot, signal);
}

/** Appending caches that another sequence, or another engine, has computed. */
export function testDriverKvImport(fixture: EngineFixture): void {
  const skipUnlessBoth = (skip: (note: string) => void) => {
    const { exportKv, importKv } = fixture.driver.capabilities;
    if (!importKv) skip('the engine does not declare "importKv"');
    else if (!exportKv)
      skip('the engine does not declare "exportKv", and no other can be asked here');
  };
  const test = (title: string, body: (skip: (note: string) => void) => Promise<void>) => {
    it(title, async (context) => {
      const skip = (note: string) => {
        context.skip(note);
      };
      skipUnlessBoth(skip);
      await body(skip);
    });
  };
  /** Computes tokens on a sequence of its own and reads their cache, with the logits after it. */
  const snapshotOf = (tokens: readonly Token[], fromToken = 0): Promise<KvSnapshot> =>
    withSequence(fixture.model, async (sequence) => {
      await drive(sequence, tokens, { maxTokens: 0, keepLogits: true });
      return exportOf(sequence, { fromToken });
    });
  /** What tells that these tokens are cached: what follows two more of them. */
  const cacheOf = async (sequence: SequenceDriver, tokens: readonly Token[]) => {
    expect(sequence.tokenCount).toBe(tokens.length);
    const more = promptOf(fixture.model).slice(0, 2);
    const next = await nextAfter(fixture, sequence, more);
    return { next, tokens: [...tokens, ...more], changed: tokens.length - 1 };
  };
  const prompt = () => longPrompt(fixture.model, 40);
  const expectWhole = (snapshot: KvSnapshot) =>
    expectContinuation(fixture, async (sequence) => {
      await importInto(sequence, snapshot);
      return cacheOf(sequence, prompt());
    });

  describe('taking a cache over', () => {
    test('goes on from an imported cache as if it had computed it', async () => {
      await expectWhole(await snapshotOf(prompt()));
    });

    test('samples from imported logits without computing anything', async () => {
      const snapshot = await snapshotOf(prompt());
      await withSequence(fixture.model, async (sequence) => {
        await importInto(sequence, snapshot);
        const run = await drive(sequence, [], { maxTokens: 1 });
        expect(run.batches.at(-1)?.prefilledTokens).toBe(0);
        expect(run.tokens).toEqual([largest(snapshot.nextLogits ?? new Float32Array())]);
        expect(sequence.tokenCount).toBe(snapshot.tokens.length);
      });
    });

    test('hands imported logits on', async () => {
      const snapshot = await snapshotOf(prompt());
      await withSequence(fixture.model, async (sequence) => {
        await importInto(sequence, snapshot);
        const { nextLogits } = await exportOf(sequence, { fromToken: snapshot.tokens.length });
        expect(nextLogits).toEqual(snapshot.nextLogits);
      });
    });

    test('appends what it imports to what is cached', async () => {
      const whole = await snapshotOf(prompt());
      const middle = sliceKvSnapshot(whole, 12);
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt().slice(0, 12), { maxTokens: 0 });
        await importInto(sequence, middle);
        const { tokens } = await exportOf(sequence);
        expect(tokens).toEqual(prompt());
        return cacheOf(sequence, prompt());
      });
    });

    test('takes over in two parts what it takes over whole', async () => {
      const head = await snapshotOf(prompt().slice(0, 17));
      const tail = await snapshotOf(prompt(), 17);
      await expectContinuation(fixture, async (sequence) => {
        await importInto(sequence, head);
        await importInto(sequence, tail);
        return cacheOf(sequence, prompt());
      });
      await expectWhole(joinKvSnapshots(head, tail));
    });

    test('takes a snapshot of the other pairing', async () => {
      const snapshot = await snapshotOf(prompt());
      const pairing = snapshot.rope.pairing === 'neox' ? 'interleaved' : 'neox';
      await expectWhole(convertKvSnapshot(snapshot, { pairing }));
    });

    for (const dtype of ['f32', 'f16', 'bf16'] as const) {
      test(`takes a snapshot of the number format ${dtype}`, async () => {
        await expectWhole(convertKvSnapshot(await snapshotOf(prompt()), { dtype }));
      });
    }

    test('cuts an imported cache as one of its own', async () => {
      const snapshot = await snapshotOf(prompt());
      await expectContinuation(fixture, async (sequence) => {
        await importInto(sequence, snapshot);
        const left = await sequence.truncate(30);
        expect(await rejection(drive(sequence, []))).toBeInstanceOf(Error);
        if (left < 30) await drive(sequence, prompt().slice(left, 30), { maxTokens: 0 });
        return cacheOf(sequence, prompt().slice(0, 30));
      });
    });

    for (const { title, alter } of foreignSnapshots) {
      test(`refuses ${title}`, async () => {
        const tail = await snapshotOf(prompt(), 20);
        await withSequence(fixture.model, async (sequence) => {
          await drive(sequence, prompt().slice(0, 20), { maxTokens: 0 });
          const error = await rejection(importInto(sequence, alter(tail, fixture.model)));
          expect(MobillmError.is(error, 'KV_MISMATCH'), String(error)).toBe(true);
          expect(sequence.tokenCount).toBe(20);
        });
      });
    }

    test('has the cache as it was after it refused a snapshot', async () => {
      const tail = await snapshotOf(prompt(), 20);
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt().slice(0, 20), { maxTokens: 0 });
        await rejection(importInto(sequence, { ...tail, startPosition: 19 }));
        return cacheOf(sequence, prompt().slice(0, 20));
      });
    });

    test('takes over a context that is full, and says so when it goes on', async () => {
      const { contextTokens } = fixture.model;
      const full = await snapshotOf(longPrompt(fixture.model, contextTokens));
      await withSequence(fixture.model, async (sequence) => {
        await importInto(sequence, full);
        expect(sequence.tokenCount).toBe(contextTokens);
        const run = await drive(sequence, [], { maxTokens: 5 });
        expect(run.tokens).toEqual([largest(full.nextLogits ?? new Float32Array())]);
        expect(run.finish).toBe('context-full');
      });
    });

    test('says CONTEXT_FULL to a snapshot that does not fit', async () => {
      const { contextTokens } = fixture.model;
      // It is refused for its length, so it does not matter what it is the end of.
      const end = await snapshotOf(longPrompt(fixture.model, 16), 8);
      const cached = longPrompt(fixture.model, contextTokens - 4);
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, cached, { maxTokens: 0 });
        const tooLong = { ...end, startPosition: cached.length };
        const error = await rejection(importInto(sequence, tooLong));
        expect(MobillmError.is(error, 'CONTEXT_FULL'), String(error)).toBe(true);
        return cacheOf(sequence, cached);
      });
    });

    test('imports nothing for a signal that is aborted already', async () => {
      const reason = new Error('not needed any more');
      const snapshot = await snapshotOf(prompt());
      await expectContinuation(fixture, async (sequence) => {
        const importing = importInto(sequence, snapshot, AbortSignal.abort(reason));
        expect(await rejection(importing)).toBe(reason);
        expect(sequence.tokenCount).toBe(0);
        await importInto(sequence, snapshot);
        return cacheOf(sequence, prompt());
      });
    });

    test('takes a cache over while another sequence waits for its reader', async (skip) => {
      if (fixture.driver.capabilities.maxSequences < 3) {
        skip('the engine declares fewer than three sequences');
      }
      const words = promptOf(fixture.model);
      await withSequence(fixture.model, async (parked) => {
        const spec = specOf({ maxTokens: 40, creditTokens: 2 });
        const run = parked.generate(words, spec)[Symbol.asyncIterator]();
        let seen = 0;
        while (seen === 0) {
          const step = await run.next();
          if (step.done) throw new Error('the generation ended before its first token');
          seen += step.value.tokens.length;
        }
        await expectWhole(await snapshotOf(prompt()));
        for (let step = await run.next(); !step.done; step = await run.next()) {
          seen += step.value.tokens.length;
        }
        expect(seen).toBe(40);
      });
    });

    test('says CLOSED after the sequence was closed', async () => {
      const snapshot = await snapshotOf(prompt());
      const sequence = await fixture.model.createSequence();
      await sequence.close();
      expect(MobillmError.is(await rejection(importInto(sequence, snapshot)), 'CLOSED')).toBe(true);
    });
  });
}
