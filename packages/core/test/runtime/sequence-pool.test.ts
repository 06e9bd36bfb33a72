import { describe, expect, it } from 'vitest';
import type { GenerateSpec, ModelDriver, SequenceDriver } from '../../src/engine/driver.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import type { CachedSequence } from '../../src/runtime/cached-sequence.js';
import { SequencePool } from '../../src/runtime/sequence-pool.js';

const { signal } = new AbortController();
const contextTokens = 100;

/** A sequence that only counts, and may tell when it is cut. */
function counting(onTruncate: () => void = () => undefined): SequenceDriver {
  let tokenCount = 0;
  return {
    get tokenCount() {
      return tokenCount;
    },
    async *generate(tokens) {
      tokenCount += tokens.length;
      const { length: prefilledTokens } = tokens;
      yield { tokens: [], prefilledTokens, prefillMs: 0, decodeMs: 0, finish: 'max-tokens' };
    },
    truncate(count) {
      onTruncate();
      tokenCount = count;
      return Promise.resolve(count);
    },
    close: () => Promise.resolve(),
  };
}

/** A pool over a model of which only this is asked. */
function poolOf(createSequence: () => Promise<SequenceDriver>, limit: number): SequencePool {
  const model = { contextTokens, kvPoolTokens: contextTokens, createSequence };
  return new SequencePool(model as unknown as ModelDriver, limit);
}

const numbers = (length: number) => Array.from({ length }, (_, token) => token);

async function fill(sequence: CachedSequence, tokens: number): Promise<void> {
  const run = sequence.generate(numbers(tokens), {} as GenerateSpec, signal);
  for await (const _ of run);
}

describe('a pool of sequences', () => {
  it('sees the room that another one leaves while a run gives up its own cache', async () => {
    let onTruncate: () => void = () => undefined;
    const pool = poolOf(() => Promise.resolve(counting(() => onTruncate())), 2);
    const [one, other] = [await pool.take(signal), await pool.take(signal)];
    await pool.wake(one, signal);
    await pool.wake(other, signal);
    await fill(one, 20);
    await pool.prepare(other, numbers(60), 0, signal);

    // One has to give way, and the other ends just then.
    onTruncate = () => {
      pool.rest(other);
    };
    await expect(pool.prepare(one, numbers(80), 0, signal)).resolves.toBe(0);
  });

  it('lets a waiting borrower try when nobody else could get a sequence', async () => {
    let fail!: (error: unknown) => void;
    const answers = [
      new Promise<SequenceDriver>((_, reject) => (fail = reject)),
      Promise.resolve(counting()),
    ];
    const pool = poolOf(() => answers.shift()!, 1);
    const taken = pool.take(signal);
    const borrowed = pool.borrow([], signal);
    fail(new MobillmError('OUT_OF_MEMORY', 'No memory.'));
    await expect(taken).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    await expect(borrowed).resolves.toMatchObject({ state: 'borrowed' });
  });

  it('gives a new sequence to the one who asked for it, whenever another asks', async () => {
    for (let later = 0; later < 8; later++) {
      let made!: (sequence: SequenceDriver) => void;
      const pool = poolOf(() => new Promise((resolve) => (made = resolve)), 1);
      const taken = pool.take(signal);
      made(counting());
      for (let turn = 0; turn < later; turn++) await Promise.resolve();
      const borrowed = pool.borrow([], signal);
      await expect(borrowed).rejects.toMatchObject({ code: 'BUSY' });
      await expect(taken).resolves.toMatchObject({ state: 'resting' });
    }
  });
});
