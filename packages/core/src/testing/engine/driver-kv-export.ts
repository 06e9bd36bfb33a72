import { describe, expect, it } from 'vitest';
import type { ExportKvOptions, SequenceDriver } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { checkKvLineage, checkKvSnapshot } from '../../kv/check-kv-snapshot.js';
import { encodeKvSnapshot } from '../../kv/kv-codec.js';
import type { KvSnapshot } from '../../kv/kv-snapshot.js';
import { sliceKvSnapshot } from '../../kv/slice-kv-snapshot.js';
import { expectContinuation, largest, nextAfter, nextOfLogits } from './comparing.js';
import { drive, rejection, withSequence } from '../drive.js';
import { longPrompt, promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';

/** Reads a sequence's cache. */
export function exportOf(sequence: SequenceDriver, options?: ExportKvOptions): Promise<KvSnapshot> {
  if (!sequence.exportKv) throw new Error('exportKv() is declared but missing');
  return sequence.exportKv(options);
}

/** Reading caches, and logits that are kept. */
export function testDriverKvExport(fixture: EngineFixture): void {
  const test = (title: string, body: () => Promise<void>) => {
    it(title, async (context) => {
      const { capabilities } = fixture.driver;
      if (!capabilities.exportKv) context.skip('the engine does not declare "exportKv"');
      await body();
    });
  };
  const keeping = { maxTokens: 0, keepLogits: true };
  const tokenAfter = (snapshot: KvSnapshot) => largest(snapshot.nextLogits ?? new Float32Array());

  describe('handing a cache on', () => {
    it('tells the same lineage every time', async (context) => {
      const { exportKv, importKv } = fixture.driver.capabilities;
      if (!exportKv && !importKv) {
        context.skip('the engine declares neither "exportKv" nor "importKv"');
      }
      const lineage = await fixture.model.lineage?.();
      checkKvLineage(lineage);
      expect(await fixture.model.lineage?.()).toEqual(lineage);
    });

    test('exports a sound snapshot of the whole cache', async () => {
      const prompt = longPrompt(fixture.model, 40);
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, prompt, keeping);
        const snapshot = checkKvSnapshot(await exportOf(sequence));
        expect(snapshot).toMatchObject({
          version: 1,
          startPosition: 0,
          tokens: prompt,
          lineage: await fixture.model.lineage?.(),
        });
        expect(snapshot.nextLogits).toHaveLength(fixture.model.tokenizer.vocabularySize);
        expect(sequence.tokenCount).toBe(prompt.length);
      });
    });

    test('exports the tokens after a given one alone', async () => {
      const prompt = longPrompt(fixture.model, 40);
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, prompt, keeping);
        const whole = await exportOf(sequence);
        const end = await exportOf(sequence, { fromToken: 25 });
        const [actual, expected] = [end, sliceKvSnapshot(whole, 25)].map((it) =>
          encodeKvSnapshot(it),
        );
        expect(end.startPosition).toBe(25);
        // Byte by byte Vitest compares a megabyte for seconds.
        expect(actual!.findIndex((byte, index) => byte !== expected![index])).toBe(-1);
        expect(actual).toHaveLength(expected!.length);
        const none = await exportOf(sequence, { fromToken: prompt.length });
        expect(none).toMatchObject({ startPosition: prompt.length, tokens: [] });
        expect(none.nextLogits).toEqual(whole.nextLogits);
      });
    });

    test('exports nothing from beyond the cache', async () => {
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, promptOf(fixture.model), { maxTokens: 0 });
        const error = await rejection(exportOf(sequence, { fromToken: sequence.tokenCount + 1 }));
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      });
    });

    test('exports nothing for a signal that is aborted already', async () => {
      const reason = new Error('not needed any more');
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, promptOf(fixture.model), { maxTokens: 0 });
        const exporting = exportOf(sequence, { signal: AbortSignal.abort(reason) });
        expect(await rejection(exporting)).toBe(reason);
      });
    });

    test('keeps the logits that follow a prompt, when asked', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, prompt, keeping);
        const kept = tokenAfter(await exportOf(sequence, { fromToken: prompt.length }));
        expect((await drive(sequence, [], { maxTokens: 1 })).tokens).toEqual([kept]);
      });
    });

    test('keeps the logits that follow an answer', async () => {
      const prompt = promptOf(fixture.model);
      await expectContinuation(fixture, async (sequence) => {
        const { tokens } = await drive(sequence, prompt, { maxTokens: 6, keepLogits: true });
        expect(sequence.tokenCount).toBe(prompt.length + 5);
        // The last token came from them and was not cached.
        const { nextLogits } = await exportOf(sequence, { fromToken: sequence.tokenCount });
        const next = nextOfLogits(nextLogits ?? new Float32Array());
        expect(next.token).toBe(tokens[5]);
        return { next, tokens: [...prompt, ...tokens.slice(0, 5)] };
      });
    });

    test('goes on from kept logits without computing anything again', async () => {
      const prompt = promptOf(fixture.model);
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, prompt, keeping);
        const kept = tokenAfter(await exportOf(sequence));
        const run = await drive(sequence, [], { maxTokens: 4 });
        expect(run.batches.map((batch) => batch.prefilledTokens)).toEqual(run.batches.map(() => 0));
        expect(run.tokens).toHaveLength(4);
        expect(run.tokens[0]).toBe(kept);
        expect(sequence.tokenCount).toBe(prompt.length + 3);
        const { tokens } = await exportOf(sequence);
        expect(tokens).toEqual([...prompt, ...run.tokens.slice(0, 3)]);
      });
    });

    test('forgets kept logits when the cache is cut', async () => {
      await withSequence(fixture.model, async (sequence) => {
        await drive(sequence, promptOf(fixture.model), keeping);
        await sequence.truncate(sequence.tokenCount - 1);
        expect((await exportOf(sequence)).nextLogits).toBeUndefined();
        expect(await rejection(drive(sequence, []))).toBeInstanceOf(Error);
      });
    });

    test('forgets kept logits when the cache grows', async () => {
      const prompt = promptOf(fixture.model);
      await expectContinuation(fixture, async (sequence) => {
        await drive(sequence, prompt, keeping);
        await drive(sequence, prompt, { maxTokens: 0 });
        // An engine may know the new ones without being asked.
        const { nextLogits } = await exportOf(sequence);
        const tokens = [...prompt, ...prompt];
        if (nextLogits) {
          return { next: nextOfLogits(nextLogits), tokens };
        }
        expect(await rejection(drive(sequence, []))).toBeInstanceOf(Error);
        const more = prompt.slice(0, 1);
        return { next: await nextAfter(fixture, sequence, more), tokens: [...tokens, ...more] };
      });
    });

    test('goes on without new tokens only where it can', async () => {
      await withSequence(fixture.model, async (sequence) => {
        expect(await rejection(drive(sequence, []))).toBeInstanceOf(Error);
        expect(sequence.tokenCount).toBe(0);
      });
    });

    test('says CLOSED after the sequence was closed', async () => {
      const sequence = await fixture.model.createSequence();
      await sequence.close();
      expect(MobillmError.is(await rejection(exportOf(sequence)), 'CLOSED')).toBe(true);
    });
  });
}
