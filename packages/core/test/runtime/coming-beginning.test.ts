import { describe, expect, it } from 'vitest';
import type { EngineCapabilities } from '../../src/engine/capabilities.js';
import type { GenerateSpec } from '../../src/engine/driver.js';
import { type AdapterSet, noAdapters } from '../../src/runtime/adapter-set.js';
import { CachedSequence } from '../../src/runtime/cached-sequence.js';
import { ComingBeginning } from '../../src/runtime/coming-beginning.js';
import type { SequencePool } from '../../src/runtime/sequence-pool.js';
import { counting, numbers, poolOf } from './counting-sequences.js';

const { signal } = new AbortController();
const stepTokens = 10;
const head = numbers(45);
const prompt = (last: number) => [...head, last];

/** A pool, with sequences that sessions hold and run on; each computes ten tokens a step. */
async function working(
  count: number,
  capabilities: Partial<EngineCapabilities> = {},
  patienceMs?: number,
): Promise<{ readonly pool: SequencePool; readonly all: CachedSequence[] }> {
  const make = () => Promise.resolve(counting(undefined, undefined, stepTokens));
  const pool = poolOf(make, count, { copySequence: true, ...capabilities }, patienceMs);
  const all: CachedSequence[] = [];
  for (let index = 0; index < count; index++) {
    const sequence = await pool.take(signal);
    await pool.wake(sequence, signal);
    all.push(sequence);
  }
  return { pool, all };
}

/** Begins a run that comes as far as its reader pulls it. */
function compute(sequence: CachedSequence, tokens: readonly number[]) {
  return sequence.generate(tokens, {} as GenerateSpec, signal);
}

/** Notes when a promise is kept. */
function watch<T>(promise: Promise<T>): { value?: T; promise: Promise<T> } {
  const watched: { value?: T; promise: Promise<T> } = { promise };
  void promise.then(
    (value) => (watched.value = value),
    () => undefined,
  );
  return watched;
}

const settle = () => new Promise(setImmediate);

describe('a beginning that another run computes', () => {
  it('is waited for, and taken over as soon as it is there', async () => {
    const { pool, all } = await working(3);
    const [leader, one, other] = all as [CachedSequence, CachedSequence, CachedSequence];
    const long = [...head, ...Array.from({ length: 53 }, () => 7)];
    expect(await pool.prepare(leader, long, 0, signal)).toBe(0);
    const waiting = [one, other].map((sequence, index) =>
      watch(pool.prepare(sequence, prompt(100 + index), 0, signal)),
    );
    const run = compute(leader, long);
    for (let step = 1; step <= 5; step++) {
      await settle();
      expect(waiting.map(({ value }) => value)).toEqual([undefined, undefined]);
      await run.next();
    }
    // Of 100 places it holds 98: only what each adds has to fit, and it has as many as 25 to go itself.
    expect(await Promise.all(waiting.map(({ promise }) => promise))).toEqual([45, 45]);
    expect(leader.tokenCount).toBe(50);
  });

  it('is gone on with by one of those that wait when its run ends early', async () => {
    const { pool, all } = await working(3);
    const [leader, ...others] = all as [CachedSequence, CachedSequence, CachedSequence];
    await pool.prepare(leader, prompt(100), 0, signal);
    const waiting = others.map((sequence, index) =>
      watch(pool.prepare(sequence, prompt(101 + index), 0, signal)),
    );
    const run = compute(leader, prompt(100));
    await run.next();
    // Aborted, failed or closed: in each case the run ends, and its sequence is let go.
    await run.return();
    pool.rest(leader);
    expect(await Promise.race(waiting.map(({ promise }) => promise))).toBe(10);
    await settle();
    const next = waiting.findIndex(({ value }) => value === 10);
    const other = waiting[1 - next]!;
    expect(other.value).toBeUndefined();
    const rest = compute(others[next]!, prompt(101 + next).slice(10));
    while (!(await rest.next()).done);
    expect(await other.promise).toBe(45);
  });

  it('is not waited for any longer than for its reader', async () => {
    const { pool, all } = await working(2, {}, 1);
    const [leader, one] = all as [CachedSequence, CachedSequence];
    await pool.prepare(leader, prompt(100), 0, signal);
    await compute(leader, prompt(100)).next();
    expect(await pool.prepare(one, prompt(101), 0, signal)).toBe(10);
  });

  it('is waited for until an abort, which is told at once', async () => {
    const { pool, all } = await working(2);
    const [leader, one] = all as [CachedSequence, CachedSequence];
    await pool.prepare(leader, prompt(100), 0, signal);
    const abort = new AbortController();
    const waiting = pool.prepare(one, prompt(101), 0, abort.signal);
    await settle();
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(one.tokenCount).toBe(0);
  });

  it('is not waited for where little of it is new', async () => {
    const { pool, all } = await working(2);
    const [leader, one] = all as [CachedSequence, CachedSequence];
    await pool.prepare(leader, prompt(100), 0, signal);
    const run = compute(leader, prompt(100));
    await run.next();
    await run.next();
    // 20 of these are there, and 26 would come.
    expect(await pool.prepare(one, [...prompt(100), 5], 0, signal)).toBe(20);
  });

  it('is not waited for where it cannot be copied', async () => {
    for (const capabilities of [
      { copySequence: false },
      { copySequence: true, truncate: 'all-or-nothing' },
    ] as const) {
      const { pool, all } = await working(2, capabilities);
      const [leader, one] = all as [CachedSequence, CachedSequence];
      await pool.prepare(leader, numbers(40), 0, signal);
      expect(await pool.prepare(one, numbers(41), 0, signal)).toBe(0);
    }
  });

  it('is not waited for any more where only whole caches turn out to be copied', async () => {
    const wholeOnly = (has: number, wants: number) => has === wants;
    const make = () => Promise.resolve(counting(undefined, wholeOnly, stepTokens));
    const pool = poolOf(make, 3, { copySequence: true });
    const [leader, ...others] = [
      await pool.take(signal),
      await pool.take(signal),
      await pool.take(signal),
    ];
    for (const sequence of [leader, ...others]) await pool.wake(sequence, signal);
    const short = numbers(33);
    await pool.prepare(leader, short, 0, signal);
    const waiting = others.map((sequence) => pool.prepare(sequence, short, 0, signal));
    await settle();
    const run = compute(leader, short);
    for (let step = 0; step < 4; step++) await run.next();
    // Neither waits for the other one now.
    expect(await Promise.all(waiting)).toEqual([0, 0]);
  });

  it('is waited for still where a copy has failed because its source was cut meanwhile', async () => {
    const cutNow: (() => void)[] = [];
    const copies = () => {
      const cut = cutNow.pop();
      cut?.();
      return !cut;
    };
    const make = () => Promise.resolve(counting(undefined, copies, stepTokens));
    const pool = poolOf(make, 3, { copySequence: true });
    const all = [await pool.take(signal), await pool.take(signal), await pool.take(signal)];
    const [source, leader, one] = all as [CachedSequence, CachedSequence, CachedSequence];
    for (const sequence of all) await pool.wake(sequence, signal);
    await pool.prepare(source, head.slice(0, 24), 0, signal);
    const run = compute(source, head.slice(0, 24));
    while (!(await run.next()).done);
    // More is left of it than was asked for, as if it could only be copied whole.
    cutNow.push(() => void source.truncate(22));
    expect(await pool.prepare(leader, head.slice(0, 20), 0, signal)).toBe(0);
    pool.rest(leader);
    await pool.wake(leader, signal);
    const others = Array.from({ length: 36 }, () => 7);
    await pool.prepare(leader, others, 0, signal);
    const waiting = watch(pool.prepare(one, others, 0, signal));
    await settle();
    expect(waiting.value).toBeUndefined();
    const leading = compute(leader, others);
    while (!(await leading.next()).done);
    expect(await waiting.promise).toBe(35);
  });

  it('is not waited for where other adapters are applied to it', async () => {
    const { pool, all } = await working(2);
    const [leader, one] = all as [CachedSequence, CachedSequence];
    const adapters: AdapterSet = { key: '1:1', uses: [] };
    Object.defineProperty(leader, 'useAdapters', { value: () => Promise.resolve() });
    Object.defineProperty(leader, 'adapters', { get: () => adapters });
    await pool.prepare(leader, numbers(40), 0, signal, { adapters });
    expect(await pool.prepare(one, numbers(41), 0, signal, { adapters: noAdapters })).toBe(0);
  });

  it('is waited for by who imports the same saved cache, and not by others', async () => {
    const { pool, all } = await working(3);
    const [leader, same, other] = all as [CachedSequence, CachedSequence, CachedSequence];
    await pool.prepare(leader, numbers(40), 0, signal, { imports: 'a' });
    const waiting = watch(pool.prepare(same, numbers(40), 0, signal, { imports: 'a' }));
    expect(await pool.prepare(other, numbers(35), 0, signal)).toBe(0);
    await settle();
    expect(waiting.value).toBeUndefined();
    pool.rest(leader);
    // It imported nothing, so the other one will.
    expect(await waiting.promise).toBe(0);
  });

  it('keeps nobody waiting who wants room and comes later', async () => {
    const { pool, all } = await working(3);
    const [leader, one, other] = all as [CachedSequence, CachedSequence, CachedSequence];
    await pool.prepare(leader, prompt(100), 0, signal);
    // With all of its own promised there were no room for these others.
    const mine = Array.from({ length: 40 }, () => 9);
    const waiting = watch(pool.prepare(one, [...prompt(101), ...mine], 0, signal));
    expect(
      await pool.prepare(
        other,
        Array.from({ length: 39 }, () => 8),
        0,
        signal,
      ),
    ).toBe(0);
    expect(waiting.value).toBeUndefined();
  });

  it('is waited for by who came earlier, but for once', () => {
    const [late, early] = [new CachedSequence(counting()), new CachedSequence(counting())];
    late.state = 'running';
    late.reservedTokens = 60;
    late.undertakes = { tokens: head, imports: undefined, number: 5 };
    const waiter = { sequence: early, tokens: prompt(100), imports: undefined };
    const tokensFor = (number: number, letDown: boolean) =>
      ComingBeginning.find({ ...waiter, number, letDown }, [late], 0, 1000)?.tokenCount;
    expect(tokensFor(3, false)).toBe(45);
    // Whoever comes later could give up, too, and the next one after that.
    expect(tokensFor(3, true)).toBeUndefined();
    expect(tokensFor(7, true)).toBe(45);
  });
});

describe('caches that cannot be copied', () => {
  it('are traded for those that a new session can have most of its prompt from', async () => {
    const make = () => Promise.resolve(counting());
    const pool = poolOf(make, 4);
    const use = async (tokens: readonly number[]) => {
      const sequence = await pool.take(signal);
      await pool.wake(sequence, signal);
      const cached = await pool.prepare(sequence, tokens, 0, signal);
      const run = compute(sequence, tokens.slice(cached));
      while (!(await run.next()).done);
      pool.rest(sequence);
      pool.leave(sequence);
      await pool.park(sequence);
      return cached;
    };
    // As many as there may be are made before any is taken again.
    expect(await use([...numbers(20), 77])).toBe(0);
    expect(await use([5, 6, 7])).toBe(0);
    expect(await use([...numbers(20), 78])).toBe(20);
    expect(await use([5, 6, 8])).toBe(2);
    // For so little of it nobody loses the rest.
    expect(await use([...numbers(3), 9, 9, 9, 9])).toBe(0);
    expect(await use([...numbers(20), 79])).toBe(20);
  });

  it('stay with the session whose they are', async () => {
    const pool = poolOf(() => Promise.resolve(counting()), 2);
    const [one, other] = [await pool.take(signal), await pool.take(signal)];
    await pool.wake(one, signal);
    await pool.prepare(one, numbers(30), 0, signal);
    const run = compute(one, numbers(30));
    while (!(await run.next()).done);
    pool.leave(one);
    await pool.park(one);
    await pool.wake(other, signal);
    await pool.prepare(other, [1, 2, 3], 0, signal);
    const own = compute(other, [1, 2, 3]);
    while (!(await own.next()).done);
    pool.rest(other);
    expect(await pool.prepare(other, numbers(40), 0, signal)).toBe(0);
    expect(one.tokenCount).toBe(30);
  });
});
