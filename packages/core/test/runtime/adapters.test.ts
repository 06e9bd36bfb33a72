import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Adapter, AdapterUse } from '../../src/engine/adapter.js';
import type { Engine, Model } from '../../src/engine/engine.js';
import { createHybridEngine } from '../../src/hybrid/create-hybrid-engine.js';
import {
  createFakeEngine,
  fakeAdapterFiles,
  type FakeEngineOptions,
  fakeFiles,
  rejection,
} from '../../src/testing/index.js';
import { temporaryFolder } from '../temporary-folder.js';

const path = join(temporaryFolder(), 'one.session');
const engines: Engine[] = [];

async function openFake(options: FakeEngineOptions = {}, sequences = 3): Promise<Model> {
  const engine = createFakeEngine(options);
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens: 512, sequences });
}

const load = (model: Model, index: 0 | 1 = 0): Promise<Adapter> =>
  model.loadAdapter(fakeAdapterFiles[index]);

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

const said = { temperature: 0, maxTokens: 6 };
const prompt = 'Once upon a time there was a fox.';

/** Generates once and tells what came, and what of the prompt was there already. */
async function generate(model: Model, adapters?: readonly AdapterUse[]) {
  const { text, usage } = await model.generate({ prompt, ...said, ...(adapters && { adapters }) });
  return { text, cached: usage.cachedTokens, all: usage.promptTokens - 1 };
}

describe('generations with adapters', () => {
  it('use what the same ones have cached, and nothing of others', async () => {
    const model = await openFake();
    const [one, other] = [await load(model), await load(model, 1)];
    const sets: AdapterUse[][] = [
      [],
      [{ adapter: one }],
      [{ adapter: one, scale: 0.5 }],
      [{ adapter: one }, { adapter: other }],
    ];
    const texts = [];
    for (const uses of sets) {
      const first = await generate(model, uses);
      expect(first.cached).toBe(0);
      const again = await generate(model, [...uses].reverse());
      expect(again.cached).toBe(again.all);
      expect(again.text).toBe(first.text);
      texts.push(first.text);
    }
    expect(new Set(texts).size).toBe(sets.length);
  });

  it('take one at scale 0 for none', async () => {
    const model = await openFake();
    const plain = await generate(model);
    const zero = await generate(model, [{ adapter: await load(model), scale: 0 }]);
    expect(zero).toEqual({ ...plain, cached: plain.all });
  });

  it('have others than the session has by default, and then those again', async () => {
    const model = await openFake();
    const adapter = await load(model);
    const adapters = [{ adapter }];
    const session = await model.createSession({ defaults: { ...said, adapters } });
    const first = await session.send('One.');
    const plain = await session.send('Two.', { adapters: [] });
    expect(plain.usage.cachedTokens).toBe(0);
    expect(plain.placement.adapters).toBeUndefined();
    const last = await session.send('Three.');
    expect(last.usage.cachedTokens).toBe(0);
    expect(last.placement.adapters).toEqual([{ sha256: adapter.info.sha256, scale: 1 }]);
    expect(first.placement.adapters).toEqual(last.placement.adapters);
  });

  it('are as right with one sequence for all of them', async () => {
    const model = await openFake({}, 1);
    const adapter = await load(model);
    const sets = [[], [{ adapter }], [], [{ adapter, scale: 2 }], [{ adapter }]];
    const texts = [];
    for (const uses of sets) texts.push((await generate(model, uses)).text);
    expect(texts[2]).toBe(texts[0]);
    expect(texts[4]).toBe(texts[1]);
    expect(new Set(texts).size).toBe(3);
  });

  it('are several from one prompt that is computed once', async () => {
    const model = await openFake();
    const adapters = [{ adapter: await load(model) }];
    const { samples } = await model.generateSamples({ prompt, ...said, adapters, n: 3 });
    const cached = samples.map(({ usage }) => usage.cachedTokens > 0);
    expect(cached).toEqual([false, true, true]);
  });
});

describe('an adapter that closes', () => {
  it('ends those who have it applied, and waits for them', async () => {
    const model = await openFake();
    const adapter = await load(model);
    const adapters = [{ adapter }];
    const runs = [1, 2].map(() => model.generate({ prompt, maxTokens: 400, adapters }));
    const plain = model.generate({ prompt, ...said });
    const readers = runs.map((run) => run[Symbol.asyncIterator]());
    await Promise.all(readers.map((reader) => reader.next()));
    await Promise.all([adapter.close(), adapter.close()]);
    for (const run of runs) {
      expect(run.partial.stopReason).toBe('aborted');
      expect(await rejection(run)).toMatchObject({ code: 'CLOSED', details: { what: 'adapter' } });
    }
    expect((await plain).text).toBe((await generate(model)).text);
  });

  it('takes what was cached with it along, also of sessions that rest', async () => {
    const model = await openFake();
    const [one, other] = [await load(model), await load(model, 1)];
    const adapters = [{ adapter: one }];
    const session = await model.createSession({ defaults: { ...said, adapters } });
    await session.send('One.');
    const kept = await generate(model, [{ adapter: other }]);
    await one.close();
    expect(session.tokenCount).toBe(0);
    expect(() => session.send('Two.')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect((await session.send('Two.', { adapters: [] })).usage.cachedTokens).toBe(0);
    expect((await generate(model, [{ adapter: other }])).cached).toBe(kept.all);
    // Another one from the same file is another one: nobody keeps what it would compute.
    const again = await load(model);
    expect((await generate(model, [{ adapter: again }])).cached).toBe(0);
  });

  it('goes with its model, in whatever order', async () => {
    const model = await openFake();
    const adapter = await load(model);
    const run = model.generate({ prompt, maxTokens: 400, adapters: [{ adapter }] });
    await run[Symbol.asyncIterator]().next();
    await Promise.all([model.close(), adapter.close()]);
    await adapter.close();
    expect(await rejection(run)).toMatchObject({ code: 'CLOSED' });
    expect(await rejection(load(model))).toMatchObject({ code: 'CLOSED' });
  });

  it('is closed at the end of its scope', async () => {
    const model = await openFake();
    const adapter = await load(model);
    await adapter[Symbol.asyncDispose]();
    expect(() => model.generate({ prompt, adapters: [{ adapter }] })).toThrow(
      expect.objectContaining({ code: 'CLOSED' }),
    );
  });

  it('leaves a session that can still be saved', async () => {
    const model = await openFake();
    const adapter = await load(model);
    const defaults = { ...said, adapters: [{ adapter }] };
    const session = await model.createSession({ system: 'Be brief.', defaults });
    await adapter.close();
    expect(await session.save(path)).toMatchObject({ cachedTokens: 0, reason: { code: 'CLOSED' } });
  });
});

describe('a session that was saved with adapters', () => {
  it('goes on with the same ones alone, by the content of their files', async () => {
    const model = await openFake();
    const defaults = { ...said, adapters: [{ adapter: await load(model), scale: 0.5 }] };
    const session = await model.createSession({ defaults });
    await session.send('One.');
    const { cachedTokens } = await session.save(path);
    expect(cachedTokens).toBeGreaterThan(0);
    const expected = await session.send('Two.');

    const fresh = await openFake();
    const same = await load(fresh);
    const other = await load(fresh, 1);
    const restore = (adapters: readonly AdapterUse[]) =>
      fresh.restoreSession(path, { defaults: { ...said, adapters } });
    const restored = await restore([{ adapter: same, scale: 0.5 }]);
    expect(restored.restored).toEqual({ cachedTokens });
    expect((await restored.send('Two.')).text).toBe(expected.text);
    await restored.close();
    for (const uses of [[], [{ adapter: same }], [{ adapter: other, scale: 0.5 }]]) {
      const recomputed = await restore(uses);
      expect(recomputed.restored).toMatchObject({
        cachedTokens: 0,
        reason: { code: 'KV_MISMATCH', details: { differing: ['adapters'] } },
      });
      expect((await recomputed.send('Two.')).usage.cachedTokens).toBe(0);
      await recomputed.close();
    }
  });
});

describe('engines without adapters', () => {
  it('say UNSUPPORTED', async () => {
    const model = await openFake({ capabilities: { adapters: false } });
    expect(await rejection(load(model))).toMatchObject({
      code: 'UNSUPPORTED',
      details: { capability: 'adapters' },
    });
  });

  it('are hybrids, whose sides would each need their own', async () => {
    const [prefill, decode] = [createFakeEngine(), createFakeEngine()];
    const hybrid = createHybridEngine({
      prefill: { engine: prefill, files: fakeFiles },
      decode: { engine: decode, files: fakeFiles },
    });
    engines.push(hybrid, prefill, decode);
    expect(hybrid.capabilities.adapters).toBe(false);
  });
});
