import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { SequenceDriver } from '../../src/engine/driver.js';
import type { KvSnapshot } from '../../src/kv/kv-snapshot.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import type { CachedSequence } from '../../src/runtime/cached-sequence.js';
import { counting, fill, numbers, poolOf } from './counting-sequences.js';

const { signal } = new AbortController();

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

  it('takes no cache that is being read, and waits where one cannot be given up', async () => {
    let read!: (snapshot: KvSnapshot) => void;
    let busy = false;
    const driver = counting(() => {
      if (busy) throw new MobillmError('BUSY', 'It is being read.');
    });
    driver.exportKv = () => new Promise((resolve) => (read = resolve));
    const drivers = [driver, counting()];
    const pool = poolOf(() => Promise.resolve(drivers.shift() ?? counting()), 2, {}, 1);
    const [one, other] = [await pool.take(signal), await pool.take(signal)];
    await pool.wake(one, signal);
    await pool.prepare(one, numbers(60), 0, signal);
    await fill(one, 60);
    await pool.wake(other, signal);
    busy = true;
    const room = pool.prepare(other, numbers(80), 0, signal);
    // Its run is over and nobody takes the end, so it is asked to give way, and cannot.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const saved = one.export(signal);
    await new Promise((resolve) => setTimeout(resolve, 20));
    busy = false;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(one.tokenCount).toBe(60);
    read({} as KvSnapshot);
    await saved;
    pool.rest(one);
    expect(await room).toBe(0);
  });

  it('lets the one that waits longest have its turn, whatever smaller ones come', async () => {
    const pool = poolOf(() => Promise.resolve(counting()), 3);
    const [one, large, small] = [
      await pool.take(signal),
      await pool.take(signal),
      await pool.take(signal),
    ];
    await pool.wake(one, signal);
    await pool.prepare(one, numbers(30), 0, signal);
    await pool.wake(large, signal);
    const waits = pool.prepare(large, numbers(90), 0, signal);
    await pool.wake(small, signal);
    let passed = false;
    const late = pool.prepare(small, numbers(20), 0, signal).then(() => (passed = true));
    await new Promise(setImmediate);
    expect(passed).toBe(false);
    // One that works already goes on, or nobody ever would.
    expect(await pool.prepare(one, numbers(30), 40, signal)).toBe(0);
    pool.rest(one);
    expect(await waits).toBe(0);
    expect(passed).toBe(false);
    pool.rest(large);
    await late;
  });

  describe('that copies', () => {
    const copying = { copySequence: true };

    it('takes over what another one has, even while that one runs', async () => {
      const pool = poolOf(() => Promise.resolve(counting()), 2, copying);
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.wake(one, signal);
      await pool.prepare(one, numbers(40), 0, signal);
      await fill(one, 40);
      // All but the last, whose logits are wanted.
      expect(await pool.prepare(other, numbers(40), 0, signal)).toBe(39);
      expect(await pool.prepare(other, [...numbers(20), 77], 0, signal)).toBe(20);
    });

    it('counts what two have in common once', async () => {
      const pool = poolOf(() => Promise.resolve(counting()), 2, copying);
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.wake(one, signal);
      await pool.prepare(one, numbers(70), 10, signal);
      await fill(one, 70);
      // 80 are held by one that runs; of these 75 only 5 are new, and 15 more fit.
      expect(await pool.prepare(other, [...numbers(70), 1, 2, 3, 4, 5], 15, signal)).toBe(70);
      const controller = new AbortController();
      let fitted = false;
      const third = pool
        .prepare(other, [...numbers(70), 6, 7], 19, controller.signal)
        .then(() => (fitted = true));
      await new Promise(setImmediate);
      expect(fitted).toBe(false);
      controller.abort(new Error('no room'));
      await expect(third).rejects.toThrow('no room');
    });

    it('counts once what others are copying, and gives up nothing for it', async () => {
      let made!: () => void;
      let busy = Promise.resolve();
      const copies = async () => {
        await busy;
        return true;
      };
      const pool = poolOf(() => Promise.resolve(counting(undefined, copies)), 5, copying);
      const all: CachedSequence[] = [];
      for (let index = 0; index < 5; index++) all.push(await pool.take(signal));
      const [source, done, ...others] = all as [CachedSequence, CachedSequence];
      await pool.wake(source, signal);
      await pool.prepare(source, numbers(40), 0, signal);
      await fill(source, 40);
      const prompt = [...numbers(40), 77];
      expect(await pool.prepare(done, prompt, 0, signal)).toBe(40);
      pool.rest(done);
      // These three have 40 in common and three of their own; without that they were 163.
      busy = new Promise((resolve) => (made = resolve));
      const copyings = others.map((other) => pool.prepare(other, prompt, 0, signal));
      await new Promise(setImmediate);
      made();
      expect(await Promise.all(copyings)).toEqual([40, 40, 40]);
      expect(done.tokenCount).toBe(40);
    });

    it('keeps what it can use of the last cache that has to go', async () => {
      const pool = poolOf(() => Promise.resolve(counting()), 2, copying);
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.prepare(one, numbers(90), 0, signal);
      await fill(one, 90);
      expect(await pool.prepare(other, [...numbers(30), 77], 60, signal)).toBe(30);
      expect(one.tokenCount).toBe(0);
    });

    it('does not ask again for what was refused', async () => {
      let asked = 0;
      const wholeOnly = () => counting(undefined, (has, wants) => (asked++, has === wants));
      const pool = poolOf(() => Promise.resolve(wholeOnly()), 2, copying);
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.prepare(one, numbers(40), 0, signal);
      await fill(one, 40);
      expect(await pool.prepare(other, [...numbers(20), 77], 0, signal)).toBe(0);
      expect(asked).toBe(1);
    });

    it('goes on when the session whose cache it copies closes meanwhile', async () => {
      let onCopy: () => void = () => undefined;
      const make = () => counting(undefined, () => (onCopy(), true));
      const pool = poolOf(() => Promise.resolve(make()), 2, copying);
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.prepare(one, numbers(90), 0, signal);
      await fill(one, 90);
      let parked: Promise<void> | undefined;
      onCopy = () => {
        pool.leave(one);
        parked = pool.park(one);
      };
      expect(await pool.prepare(other, [...numbers(30), 77], 60, signal)).toBe(30);
      await parked;
      expect(one.state).toBe('idle');
    });

    it('finds what a closed session has left behind, but for what fits no other one', async () => {
      const pool = poolOf(() => Promise.resolve(counting()), 3, copying);
      const one = await pool.take(signal);
      await pool.prepare(one, numbers(30), 0, signal);
      await fill(one, 30);
      one.exactTokens = 20;
      pool.leave(one);
      await pool.park(one);
      const other = await pool.take(signal);
      expect(await pool.prepare(other, numbers(40), 0, signal)).toBe(20);
    });

    it('does not copy what is being moved meanwhile', async () => {
      let remove!: (done: boolean) => void;
      const moving: SequenceDriver = {
        ...counting(),
        removeTokens: () => new Promise((resolve) => (remove = resolve)),
      };
      let tokenCount = 0;
      Object.defineProperty(moving, 'tokenCount', { get: () => tokenCount });
      const drivers = [moving, counting()];
      const pool = poolOf(() => Promise.resolve(drivers.shift()!), 2, {
        ...copying,
        removeTokens: true,
      });
      const [one, other] = [await pool.take(signal), await pool.take(signal)];
      await pool.wake(one, signal);
      await pool.prepare(one, numbers(60), 0, signal);
      tokenCount = 60;
      await fill(one, 60);
      const prompt = [...numbers(5), ...numbers(60).slice(20), 99];
      const moved = pool.prepare(one, prompt, 0, signal, { shifts: true });
      expect(await pool.prepare(other, numbers(40), 0, signal)).toBe(5);
      tokenCount = 45;
      remove(true);
      expect(await moved).toBe(45);
    });

    it('spares the cache that it copies, and gives up the one used longest ago', async () => {
      const pool = poolOf(() => Promise.resolve(counting()), 2, copying);
      const use = async (tokens: readonly number[]) => {
        const sequence = await pool.borrow(tokens, signal);
        const cached = await pool.prepare(sequence, tokens, 0, signal);
        await fill(sequence, tokens.slice(cached));
        pool.giveBack(sequence);
        return cached;
      };
      await use([7, 8, 9]);
      await use(numbers(40));
      expect(await use([...numbers(20), 77])).toBe(20);
      expect(await use([...numbers(39), 78])).toBe(39);
    });
  });

  it('gives a cache that was left behind to the next one, which does not call it its own', async () => {
    const pool = poolOf(() => Promise.resolve(counting()), 1);
    const one = await pool.take(signal);
    await pool.prepare(one, numbers(30), 0, signal);
    await fill(one, 30);
    pool.leave(one);
    const next = pool.take(signal);
    await pool.park(one);
    expect(await next).toBe(one);
    expect([one.tokenCount, one.ownTokens]).toEqual([30, 0]);
    expect(await pool.prepare(one, [...numbers(12), 77], 0, signal)).toBe(12);
    expect(one.ownTokens).toBe(12);
  });

  it('frees a sequence that cannot be cut when its session closes', async () => {
    let broken = true;
    const failure = new MobillmError('NATIVE_FAILURE', 'It cannot.');
    const make = () =>
      counting(() => {
        if (broken) throw failure;
      });
    const pool = poolOf(() => Promise.resolve(make()), 1);
    const one = await pool.take(signal);
    await pool.prepare(one, numbers(30), 0, signal);
    await fill(one, 30);
    one.exactTokens = 20;
    await expect(pool.park(one)).rejects.toBe(failure);
    broken = false;
    const next = await pool.take(signal);
    expect(next).not.toBe(one);
    expect(next.tokenCount).toBe(0);
  });

  it('keeps waiting who waits, and not who gets a sequence, however many come at once', async () => {
    const [free, waiting] = [100, 64];
    const pool = poolOf(() => Promise.resolve(counting()), free);
    const borrowed: CachedSequence[] = [];
    const borrow = async () => {
      borrowed.push(await pool.borrow(numbers(3), signal));
    };
    const served = Array.from({ length: free + waiting }, borrow);
    await expect(pool.borrow([], signal)).rejects.toMatchObject({
      code: 'BUSY',
      details: { waiting },
    });
    await Promise.all(served.slice(0, free));
    expect(new Set(borrowed).size).toBe(free);
    for (const sequence of borrowed.slice(0, waiting)) pool.giveBack(sequence);
    await Promise.all(served);
    expect(borrowed).toHaveLength(free + waiting);
  });

  it('listens once to a signal that many wait with', async () => {
    const controller = new AbortController();
    const pool = poolOf(() => Promise.resolve(counting()), 1);
    const only = await pool.borrow([], controller.signal);
    const waiting = Array.from({ length: 20 }, () => pool.borrow([], controller.signal));
    const ends = Promise.allSettled(waiting);
    // Who comes first waits for a change after each of the others came, too.
    await new Promise(setImmediate);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    const reason = new Error('no longer');
    controller.abort(reason);
    expect(await ends).toEqual(waiting.map(() => ({ status: 'rejected', reason })));
    pool.giveBack(only);
    await expect(pool.borrow([], signal)).resolves.toBe(only);
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
