import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Engine, type Model, type OpenOptions, type Tuning } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { defaultModelPath, temporaryFolder } from './support/models.js';

const folder = temporaryFolder();
const calibrationFolder = join(folder, 'calibration');
const greedy = { prompt: 'The capital of France is', maxTokens: 12, temperature: 0 } as const;

/** Opens with measuring on. */
function open(engine: Engine, own: OpenOptions['engineOptions'] = {}, threads?: number) {
  return engine.open(defaultModelPath, {
    contextTokens: 1024,
    ...(threads !== undefined && { threads }),
    engineOptions: { calibrate: 'on', ...own },
  });
}

/** Waits until nothing is left to be measured. */
async function calibrated(model: Model): Promise<Tuning> {
  await expect.poll(() => model.placement.tuning!.calibrating, { timeout: 100_000 }).toBe(false);
  return model.placement.tuning!;
}

/**
 * Waits until a model is being measured: until there are more threads than the one that waits for it to
 * rest. It may be over before that was seen, where it is quick.
 */
async function measuring(model: Model, threadsBefore: number): Promise<void> {
  const begun = () => threadCount() > threadsBefore + 1 || !model.placement.tuning!.calibrating;
  await expect.poll(begun, { timeout: 60_000, interval: 3 }).toBe(true);
}

/**
 * What a model answers once it keeps the prompt. The first time it computes all of it in one step, and of
 * weights of few bits a step rounds by its size.
 */
async function settledAnswer(model: Model): Promise<string> {
  await model.generate(greedy);
  const { text } = await model.generate(greedy);
  return text;
}

/** What is kept in a folder, by line. */
function kept(inFolder = calibrationFolder): Readonly<Record<string, string>> {
  const [name, ...others] = readdirSync(inFolder);
  expect(others).toEqual([]);
  const lines = readFileSync(join(inFolder, name!), 'utf8').trim().split('\n').slice(1);
  return Object.fromEntries(
    lines.map((line): [string, string] => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), line.slice(space + 1)];
    }),
  );
}

/** Replaces what is kept. */
function rewrite(edit: (text: string) => string): void {
  const path = join(calibrationFolder, readdirSync(calibrationFolder)[0]!);
  writeFileSync(path, edit(readFileSync(path, 'utf8')));
}

/** Replaces two lines of what is kept, as a quiet machine would have written them. */
function rewriteLines(threads: number, flashAttention: 'on' | 'off'): void {
  rewrite((text) =>
    text
      .replace(/^threads .*$/mu, `threads ${threads}`)
      .replace(/^flash-attention .*$/mu, `flash-attention ${flashAttention}`)
      .replace(/^contended .*$/mu, 'contended no'),
  );
}

describe('what is measured after the first answer', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createLlamaCppEngine({ calibrationFolder });
  });
  afterAll(() => engine.close());

  it('is measured when the model rests, used, and kept', async () => {
    const model = await open(engine);
    const atFirst = model.placement.tuning!;
    expect(atFirst).toMatchObject({
      flashAttention: { value: false, source: 'default' },
      calibrating: true,
    });
    expect(['default', 'contention']).toContain(atFirst.threads);
    const text = await settledAnswer(model);
    const tuning = await calibrated(model);
    // The kind of attention stays what it was.
    expect(tuning.flashAttention).toEqual({
      value: false,
      source: 'default',
      measured: expect.any(Boolean) as boolean,
    });
    const lines = kept();
    expect(lines['key']).toContain(model.placement.library);
    expect(lines['flash-attention']).toBe(tuning.flashAttention.measured ? 'on' : 'off');
    expect(lines['threads']).toBe(String(model.placement.threads));
    // Measured beside others, it is not the last word.
    if (lines['contended'] === 'no') expect(tuning.threads).toBe('measured');
    else expect(['measured', 'contention']).toContain(tuning.threads);
    expect((await model.generate(greedy)).text).toBe(text);
    await model.close();
  });

  it('is taken by the next opening', async () => {
    rewriteLines(1, 'on');
    const model = await open(engine);
    expect(model.placement).toMatchObject({
      threads: 1,
      tuning: {
        threads: 'cached',
        flashAttention: { value: true, source: 'cached', measured: true },
        calibrating: false,
      },
    });
    await model.close();
  });

  it.each([false, true])(
    'decides the attention as if it had been asked for: %s',
    async (blocks) => {
      rewriteLines(1, blocks ? 'on' : 'off');
      const exact = { keyType: 'f32', valueType: 'f32' };
      const answerOf = async (model: Model) => {
        const { flashAttention } = model.placement.tuning!;
        const { text } = await model.generate(greedy);
        await model.close();
        return { flashAttention, text };
      };
      const cached = await answerOf(await open(engine));
      expect(cached.flashAttention).toEqual({ value: blocks, source: 'cached', measured: blocks });
      const asked = { flashAttention: blocks ? 'on' : 'off' } as const;
      const given = await answerOf(await open(engine, asked, 1));
      expect(given.flashAttention).toEqual({ value: blocks, source: 'given' });
      expect(cached.text).toBe(given.text);
      // It was measured with another format of the cache.
      const other = await answerOf(await open(engine, { ...exact, calibrate: 'on' }));
      expect(other.flashAttention).toEqual({ value: false, source: 'default' });
    },
  );

  it('is counted by estimates', async () => {
    rewriteLines(1, 'on');
    const computeBytes = async (own: OpenOptions['engineOptions']) => {
      const { items } = await engine.estimate(defaultModelPath, {
        contextTokens: 1024,
        engineOptions: { calibrate: 'on', ...own },
      });
      return items.find(({ purpose }) => purpose === 'compute')!.bytes;
    };
    const on = await computeBytes({ flashAttention: 'on' });
    const off = await computeBytes({ flashAttention: 'off' });
    expect(on).toBeLessThan(off);
    expect(await computeBytes({})).toBe(on);
    expect(await computeBytes({ calibrate: 'off' })).toBe(off);
    expect(await computeBytes({ calibrate: 'off', valueType: 'q8_0' })).toBeLessThan(off);
  });

  it('takes no attention that would need much memory for being faster', async () => {
    rewriteLines(1, 'off');
    const model = await engine.open(defaultModelPath, {
      contextTokens: 8192,
      engineOptions: { calibrate: 'on' },
    });
    // 8192 cells × 512 tokens × 9 heads × 4 bytes are 144 MiB.
    expect(model.placement.tuning!.flashAttention).toEqual({
      value: true,
      source: 'default',
      measured: false,
    });
    await model.close();
  });

  it('is nothing where the user says all of it', async () => {
    const model = await open(engine, { flashAttention: 'on' }, 1);
    expect(model.placement).toMatchObject({
      threads: 1,
      tuning: {
        threads: 'given',
        flashAttention: { value: true, source: 'given' },
        calibrating: false,
      },
    });
    await model.close();
    const quantized = await open(engine, { valueType: 'q8_0' }, 1);
    expect(quantized.placement.tuning).toMatchObject({
      flashAttention: { value: true, source: 'required' },
      calibrating: false,
    });
    await quantized.close();
  });

  it('ends where threads are adjusted', async () => {
    rewriteLines(1, 'on');
    rewrite((text) => text.replace('contended no', 'contended yes'));
    const model = await open(engine, { flashAttention: 'on' });
    expect(model.placement.tuning!.calibrating).toBe(true);
    await model.adjust({ threads: 1 });
    expect(model.placement.tuning).toMatchObject({ threads: 'given', calibrating: false });
    await model.close();
  });

  it.each(['', 'mobillm calibration 2\nkey', 'x'.repeat(100_000), '\0\0\0\n\xff'])(
    'is measured anew where the file holds garbage (%#)',
    async (garbage) => {
      rewrite(() => garbage);
      const model = await open(engine);
      expect(model.placement.tuning).toMatchObject({
        flashAttention: { value: false, source: 'default' },
        calibrating: true,
      });
      expect(model.placement.tuning!.threads).not.toBe('cached');
      await model.close();
    },
  );

  it('is off where that is said, here or in the environment', async () => {
    const off = await open(engine, { calibrate: 'off' });
    expect(off.placement.tuning!.calibrating).toBe(false);
    await off.close();
    // These tests run with the variable set.
    const auto = await open(engine, { calibrate: 'auto' });
    expect(auto.placement.tuning!.calibrating).toBe(false);
    await auto.close();
  });

  it('is kept for this process where the folder takes no files', async () => {
    const blocked = join(folder, 'a-file');
    writeFileSync(blocked, '');
    const other = await createLlamaCppEngine({ calibrationFolder: blocked });
    const model = await open(other, { flashAttention: 'on' });
    await model.generate({ ...greedy, maxTokens: 2 });
    expect(['measured', 'contention']).toContain((await calibrated(model)).threads);
    await other.close();
    expect(readFileSync(blocked, 'utf8')).toBe('');
  });

  it('makes way: answers are the same while it goes on', async () => {
    const anew = mkdtempSync(join(folder, 'anew-'));
    const other = await createLlamaCppEngine({ calibrationFolder: anew });
    const model = await open(other, { keyType: 'f32', valueType: 'f32', flashAttention: 'off' });
    const before = threadCount();
    const text = await settledAnswer(model);
    await measuring(model, before);
    for (let turn = 0; turn < 3; turn++) expect((await model.generate(greedy)).text).toBe(text);
    await calibrated(model);
    expect((await model.generate(greedy)).text).toBe(text);
    expect(kept(anew)['flash-attention']).toBe('unknown');
    await other.close();
  });

  it('ends with its model, and leaves no thread', async () => {
    const anew = mkdtempSync(join(folder, 'anew-'));
    const other = await createLlamaCppEngine({ calibrationFolder: anew });
    const before = threadCount();
    const model = await open(other);
    const opened = threadCount();
    await model.generate({ ...greedy, maxTokens: 2 });
    await measuring(model, opened);
    await model.close();
    await expect.poll(threadCount, { timeout: 30_000 }).toBeLessThanOrEqual(before);
    await other.close();
  });

  it.each(['exit', 'leave', 'worker'])('goes down with its process or thread (%s)', async (how) => {
    const script = fileURLToPath(new URL('./fixtures/end-while-measuring.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [script, defaultModelPath, mkdtempSync(join(folder, 'anew-')), how],
      { timeout: 90_000 },
    );
    expect(stdout).toBe('alive\n');
  });
});

describe('processors that threads are kept to', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createLlamaCppEngine({ calibrationFolder });
  });
  afterAll(() => engine.close());

  it('are the big ones where that is asked for, and told', async () => {
    const big = await open(engine, { affinity: 'big', calibrate: 'off' }, 1);
    const { processors } = big.placement.tuning!;
    expect(processors!.length).toBeGreaterThanOrEqual(1);
    expect(affinities()).toContain(listOf(processors!));
    await big.close();
    const off = await open(engine, { affinity: 'off', calibrate: 'off' }, 1);
    expect(off.placement.tuning).not.toHaveProperty('processors');
    await off.close();
  });

  it('are no other word', async () => {
    await expect(open(engine, { affinity: 'little' })).rejects.toMatchObject({
      key: 'engineOptions.affinity',
    });
  });
});

/** Threads of this process; 0 where the system does not tell, and then nothing is compared. */
function threadCount(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0;
}

/** What the threads of this process may run on. */
function affinities(): readonly string[] {
  return readdirSync('/proc/self/task').map((task) => {
    const status = readFileSync(`/proc/self/task/${task}/status`, 'utf8');
    return /^Cpus_allowed_list:\s*(\S+)$/mu.exec(status)![1]!;
  });
}

/** As the kernel writes a list: `0-3,6`. */
function listOf(processors: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const one of processors) {
    const last = ranges.at(-1);
    if (last?.[1] === one - 1) last[1] = one;
    else ranges.push([one, one]);
  }
  return ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(',');
}
