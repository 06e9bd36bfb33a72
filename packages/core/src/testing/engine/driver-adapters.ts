import { describe, expect, it } from 'vitest';
import type {
  AdapterDriver,
  DriverAdapterUse,
  DriverAdapterOptions,
  SequenceDriver,
} from '../../engine/driver.js';
import type { ModelFiles } from '../../store/model-files.js';
import { drive, rejection, specOf, withSequence } from '../drive.js';
import { distance, type Next, nextAfter } from './comparing.js';
import { longPrompt, promptOf } from './driving.js';
import { contextTokensOf, type EngineFixture } from './fixture.js';

/** Adapters, loaded, applied to some sequences, and closed. */
export function testDriverAdapters(fixture: EngineFixture): void {
  const test = (title: string, body: (skip: (note: string) => void) => Promise<void>) => {
    it(title, async (context) => {
      const skip = (note: string) => {
        context.skip(note);
      };
      if (!fixture.driver.capabilities.adapters) skip('the engine does not declare "adapters"');
      await body(skip);
    });
  };
  const head = () => longPrompt(fixture.model, 33);
  const load = (files: ModelFiles, options: DriverAdapterOptions = {}) => {
    if (!fixture.model.loadAdapter)
      throw new Error('adapters is declared, and loadAdapter is missing');
    return fixture.model.loadAdapter(files, options);
  };
  /** Loads both, uses them and closes them. */
  const withAdapters = async (
    use: (one: AdapterDriver, other: AdapterDriver) => Promise<void>,
  ): Promise<void> => {
    const { adapters } = fixture.options;
    if (!adapters) throw new Error('the engine declares "adapters", and the suite was given none');
    const [one, other] = [await load(adapters[0]), await load(adapters[1])];
    try {
      await use(one, other);
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  };
  /** What a new sequence with these adapters says after a prompt. */
  const nextWith = (uses: readonly DriverAdapterUse[]): Promise<Next> =>
    withSequence(fixture.model, async (sequence) => {
      if (uses.length > 0) await setAdapters(sequence, uses);
      return nextAfter(fixture, sequence, head());
    });
  const expectSame = (actual: Next, expected: Next, other: Next) => {
    expect(distance(actual, expected)).toBeLessThanOrEqual(0.1 * distance(other, expected));
  };
  const expectOther = (actual: Next, expected: Next, reference: Next) => {
    expect(distance(actual, expected)).toBeGreaterThan(0.1 * distance(reference, expected));
  };

  describe('adapters', () => {
    test('change what a model says, each as far as its scale says', async () => {
      await withAdapters(async (one, other) => {
        const plain = await nextWith([]);
        const whole = await nextWith([{ adapter: one, scale: 1 }]);
        expect(distance(whole, plain)).toBeGreaterThan(0);
        const half = await nextWith([{ adapter: one, scale: 0.5 }]);
        expectOther(half, whole, plain);
        expectOther(half, plain, whole);
        const second = await nextWith([{ adapter: other, scale: 1 }]);
        expectOther(second, whole, plain);
        const both = [
          { adapter: one, scale: 1 },
          { adapter: other, scale: 1 },
        ];
        const joined = await nextWith(both);
        expectOther(joined, whole, plain);
        expectOther(joined, second, plain);
        expectSame(await nextWith([...both].reverse()), joined, plain);
      });
    });

    test('are counted by estimates, in the bytes that they have', async (skip) => {
      const { driver, options } = fixture;
      if (!driver.capabilities.estimate) skip('the engine does not declare "estimate"');
      const estimate = async (adapters: readonly ModelFiles[]) => {
        const found = await driver.estimate?.(options.files, {
          ...{ contextTokens: contextTokensOf(options), sequences: 1, adapters },
          engineOptions: options.engineOptions ?? {},
        });
        if (!found) throw new Error('estimate() gave nothing');
        return found;
      };
      const rows = options.adapters ?? [];
      const [plain, both] = [await estimate([]), await estimate(rows)];
      await withAdapters((one, other) => {
        const adapterBytes = both.items
          .filter(({ purpose }) => purpose === 'adapters')
          .reduce((sum, { bytes }) => sum + bytes, 0);
        expect(adapterBytes).toBe(one.info.weightBytes + other.info.weightBytes);
        expect(both.totalBytes).toBeGreaterThanOrEqual(plain.totalBytes + adapterBytes);
        expect(both.totalBytes).toBe(both.items.reduce((sum, { bytes }) => sum + bytes, 0));
        return Promise.resolve();
      });
    });

    test('change nothing at scale 0, and nothing once they are taken away', async () => {
      await withAdapters(async (one) => {
        const plain = await nextWith([]);
        const whole = await nextWith([{ adapter: one, scale: 1 }]);
        expectSame(await nextWith([{ adapter: one, scale: 0 }]), plain, whole);
        await withSequence(fixture.model, async (sequence) => {
          await setAdapters(sequence, [{ adapter: one, scale: 1 }]);
          await setAdapters(sequence, []);
          expectSame(await nextAfter(fixture, sequence, head()), plain, whole);
        });
      });
    });

    test('empty the cache of a sequence that gets others', async () => {
      await withAdapters(async (one, other) => {
        const both = [
          { adapter: one, scale: 1 },
          { adapter: other, scale: 0.5 },
        ];
        await withSequence(fixture.model, async (sequence) => {
          const { length } = head();
          await drive(sequence, head(), { maxTokens: 0 });
          await setAdapters(sequence, []);
          expect(sequence.tokenCount).toBe(length);
          for (const uses of [
            both,
            [{ adapter: one, scale: 1 }],
            [{ adapter: one, scale: 0.5 }],
            [],
          ]) {
            await setAdapters(sequence, uses);
            expect(sequence.tokenCount).toBe(0);
            await drive(sequence, head(), { maxTokens: 0 });
            await setAdapters(sequence, [...uses].reverse());
            expect(sequence.tokenCount).toBe(length);
          }
        });
      });
    });

    test('are applied to those sequences alone that have them', async (skip) => {
      if (fixture.driver.capabilities.maxSequences < 3)
        skip('the engine declares too few sequences');
      await withAdapters(async (one, other) => {
        const sets = [[], [{ adapter: one, scale: 1 }], [{ adapter: other, scale: 1 }]];
        const run = (uses: readonly DriverAdapterUse[]) =>
          withSequence(fixture.model, async (sequence) => {
            if (uses.length > 0) await setAdapters(sequence, uses);
            // Long enough for each to have steps between those of the others.
            await drive(sequence, head(), { maxTokens: 12 });
            await sequence.truncate(0);
            return nextAfter(fixture, sequence, head());
          });
        const alone = [];
        for (const uses of sets) alone.push(await run(uses));
        const together = await Promise.all(sets.map(run));
        for (const [index, next] of together.entries()) {
          const expected = alone[index];
          const another = alone[(index + 1) % alone.length];
          if (!expected || !another) throw new Error('a run is missing');
          expectSame(next, expected, another);
        }
      });
    });

    test('let no cache be copied that was computed with others', async (skip) => {
      const { copySequence, maxSequences } = fixture.driver.capabilities;
      if (!copySequence || maxSequences < 2) skip('the engine does not declare "copySequence"');
      await withAdapters(async (one) => {
        const uses = [{ adapter: one, scale: 1 }];
        await withSequence(fixture.model, async (source) => {
          await setAdapters(source, uses);
          await drive(source, head(), { maxTokens: 0 });
          await withSequence(fixture.model, async (copy) => {
            expect(await copy.copyFrom?.(source, head().length)).toBe(false);
            await setAdapters(copy, [{ adapter: one, scale: 0.5 }]);
            expect(await copy.copyFrom?.(source, head().length)).toBe(false);
            expect(copy.tokenCount).toBe(0);
            await setAdapters(copy, uses);
            expect(await copy.copyFrom?.(source, head().length)).toBe(true);
          });
        });
      });
    });

    test('are named by a snapshot, which fits the same ones alone', async (skip) => {
      const { exportKv, importKv } = fixture.driver.capabilities;
      if (!exportKv || !importKv) skip('the engine does not declare "exportKv" and "importKv"');
      await withAdapters(async (one) => {
        const uses = [{ adapter: one, scale: 0.5 }];
        const snapshot = await withSequence(fixture.model, async (sequence) => {
          await setAdapters(sequence, uses);
          await drive(sequence, head(), { maxTokens: 0 });
          return sequence.exportKv!();
        });
        expect(snapshot.lineage.adapters).toEqual([{ sha256: one.info.sha256, scale: 0.5 }]);
        await withSequence(fixture.model, async (sequence) => {
          const refused = async () => {
            expect(await rejection(sequence.importKv!(snapshot))).toMatchObject({
              code: 'KV_MISMATCH',
            });
            expect(sequence.tokenCount).toBe(0);
          };
          await refused();
          await setAdapters(sequence, [{ adapter: one, scale: 1 }]);
          await refused();
          await setAdapters(sequence, uses);
          await sequence.importKv!(snapshot);
          const more = promptOf(fixture.model);
          const next = await nextAfter(fixture, sequence, more);
          await sequence.truncate(0);
          const expected = await nextAfter(fixture, sequence, [...head(), ...more]);
          await setAdapters(sequence, []);
          expectSame(next, expected, await nextAfter(fixture, sequence, [...head(), ...more]));
        });
      });
    });

    test('end with CLOSED what has them applied, when they are closed', async () => {
      await withAdapters(async (one) => {
        const plain = await nextWith([]);
        const whole = await nextWith([{ adapter: one, scale: 1 }]);
        await withSequence(fixture.model, async (sequence) => {
          await setAdapters(sequence, [{ adapter: one, scale: 1 }]);
          const run = sequence.generate(head(), specOf({ maxTokens: 60, creditTokens: 2 }));
          const reader = run[Symbol.asyncIterator]();
          await reader.next();
          await one.close();
          const reading = (async () => {
            while (!(await reader.next()).done);
          })();
          expect(await rejection(reading)).toMatchObject({ code: 'CLOSED' });
          const uses = [{ adapter: one, scale: 1 }];
          expect(await rejection(setAdapters(sequence, uses))).toMatchObject({ code: 'CLOSED' });
          await setAdapters(sequence, []);
          expectSame(await nextAfter(fixture, sequence, head()), plain, whole);
        });
      });
    });

    test('change vectors of texts', async (skip) => {
      const embed = fixture.model.embed?.bind(fixture.model);
      if (!embed || !fixture.model.info.tasks.includes('embed')) {
        skip('the engine does not declare "embed"');
        return;
      }
      await withAdapters(async (one) => {
        const texts = [promptOf(fixture.model)];
        const adapters = [{ adapter: one, scale: 1 }];
        const [plain] = await embed(texts, { pooling: 'mean' });
        const [changed] = await embed(texts, { pooling: 'mean', adapters });
        const [again] = await embed(texts, { pooling: 'mean' });
        expect(changed).not.toEqual(plain);
        expect(again).toEqual(plain);
      });
    });

    test('are refused where there is no file', async () => {
      const files: ModelFiles = {
        format: fixture.options.files.format,
        files: [{ path: fixture.options.missingPath, role: 'adapter' }],
      };
      expect(await rejection(load(files))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    });

    test('are not loaded for a signal that is aborted already', async () => {
      const signal = AbortSignal.abort(new Error('enough'));
      const [files] = fixture.options.adapters ?? [];
      if (!files) throw new Error('the engine declares "adapters", and the suite was given none');
      expect(await rejection(load(files, { signal }))).toBe(signal.reason);
    });
  });
}

function setAdapters(sequence: SequenceDriver, uses: readonly DriverAdapterUse[]): Promise<void> {
  if (!sequence.setAdapters) throw new Error('adapters is declared, and setAdapters is missing');
  return sequence.setAdapters(uses);
}
