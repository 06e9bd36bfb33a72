import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AdapterDriver,
  type DriverAdapterUse,
  type Model,
  MobillmError,
  type ModelDriver,
} from '@mobillm/core';
import { rejection, withSequence } from '@mobillm/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { adapterFiles, tensorsOf, writeLora, writeMerged } from './support/lora.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';
import { modelOpener } from './support/opened-models.js';

const folder = temporaryFolder();
const basePath = await writeTinyModel(folder);
const prompt = Array.from({ length: 70 }, (_, index) => 20 + ((index * 37) % 200));
/** A batched run then gives what a single one gives, to the bit. */
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', batchTokens: 32 } as const;
const openModel = modelOpener({ contextTokens: 512, sequences: 3 });
const open = (path = basePath) => openModel(path, exact);

const load = (model: ModelDriver, path: string): Promise<AdapterDriver> =>
  model.loadAdapter!(adapterFiles(path), {});

/** The logits after a prompt, and what follows greedily. */
async function answer(model: ModelDriver, uses: readonly DriverAdapterUse[] = []) {
  return withSequence(model, async (sequence) => {
    if (uses.length > 0) await sequence.setAdapters!(uses);
    await collect(sequence, prompt, greedySpec(model, { maxTokens: 0, keepLogits: true }));
    const { nextLogits } = await sequence.exportKv!({ fromToken: prompt.length });
    const spec = greedySpec(model, { maxTokens: 24, endTokens: new Set() });
    const { tokens } = await collect(sequence, [], spec);
    return { logits: nextLogits!, tokens };
  });
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, logit, index) => Math.max(most, Math.abs(logit - b[index]!)), 0);
}

describe('a model with adapters', () => {
  it.each([
    ['at scale 1', [{ seed: 1, scale: 1 }]],
    ['at half of it', [{ seed: 1, scale: 0.5 }]],
    ['taken away', [{ seed: 1, scale: -0.75 }]],
    ['of rank 1 without alpha', [{ seed: 2, scale: 1, rank: 1, alpha: undefined }]],
    [
      'two at once',
      [
        { seed: 1, scale: 0.7 },
        { seed: 3, scale: 1.2, rank: 8, alpha: 4 },
      ],
    ],
    [
      'of embeddings and the head',
      [
        {
          seed: 4,
          scale: 1,
          changes: (name: string) => /^(token_embd|output)\.weight$/u.test(name),
        },
      ],
    ],
  ])('computes as one whose weights they were merged into: %s', async (_, cases) => {
    const model = await open();
    const uses: DriverAdapterUse[] = [];
    const merged = [];
    for (const { scale, ...options } of cases) {
      const { path, lora } = await writeLora(folder, basePath, options);
      uses.push({ adapter: await load(model, path), scale });
      merged.push({ lora, scale });
    }
    const expected = await answer(await open(await writeMerged(folder, basePath, merged)));
    const plain = await answer(model);
    const actual = await answer(model, uses);
    const changed = largestDifference(plain.logits, expected.logits);
    expect(changed).toBeGreaterThan(0.5);
    expect(largestDifference(actual.logits, expected.logits)).toBeLessThan(changed / 1e4);
    expect(actual.tokens).toEqual(expected.tokens);
    expect(plain.tokens).not.toEqual(expected.tokens);
  });

  it('computes at scale 0, and without them afterwards, as if there were none', async () => {
    const model = await open();
    const before = await answer(model);
    const { path } = await writeLora(folder, basePath);
    const adapter = await load(model, path);
    expect(await answer(model, [{ adapter, scale: 0 }])).toEqual(before);
    expect((await answer(model, [{ adapter, scale: 1 }])).tokens).not.toEqual(before.tokens);
    expect(await answer(model)).toEqual(before);
  });

  it('runs sequences with different ones side by side, each as it runs alone', async () => {
    const model = await open();
    const [one, other] = await Promise.all(
      [1, 2].map(async (seed) => load(model, (await writeLora(folder, basePath, { seed })).path)),
    );
    const all: DriverAdapterUse[][] = [
      [],
      [{ adapter: one!, scale: 1 }],
      [
        { adapter: one!, scale: 0.5 },
        { adapter: other!, scale: 1 },
      ],
    ];
    const alone = [];
    for (const uses of all) alone.push(await answer(model, uses));
    expect(new Set(alone.map(({ tokens }) => tokens.join())).size).toBe(3);
    for (let round = 0; round < 3; round++) {
      const together = await Promise.all(all.map((uses) => answer(model, uses)));
      for (const [index, { tokens, logits }] of together.entries()) {
        expect(tokens).toEqual(alone[index]!.tokens);
        // Prompts are cut into other steps beside those that decode, which rounds otherwise.
        expect(largestDifference(logits, alone[index]!.logits)).toBeLessThan(1e-4);
      }
    }
  });

  it('embeds with them as one whose weights they were merged into', async () => {
    const model = await open();
    const { path, lora } = await writeLora(folder, basePath);
    const adapter = await load(model, path);
    const merged = await open(await writeMerged(folder, basePath, [{ lora, scale: 0.8 }]));
    const texts = [prompt.slice(0, 9), prompt.slice(9, 40)];
    const embed = (on: ModelDriver, adapters?: readonly DriverAdapterUse[]) =>
      on.embed!(texts, { pooling: 'mean', ...(adapters && { adapters }) });
    const plain = await embed(model);
    const expected = await embed(merged);
    const actual = await embed(model, [{ adapter, scale: 0.8 }]);
    for (const [index, vector] of actual.entries()) {
      const changed = largestDifference(plain[index]!, expected[index]!);
      expect(changed).toBeGreaterThan(0.1);
      expect(largestDifference(vector, expected[index]!)).toBeLessThan(changed / 1e4);
    }
    expect(await embed(model)).toEqual(plain);
  });
});

describe('an adapter', () => {
  it('tells what its file says', async () => {
    const model = await open();
    const { path, lora } = await writeLora(folder, basePath, { rank: 3, alpha: 6 });
    const shares: number[] = [];
    const adapter = await model.loadAdapter!(adapterFiles(path), {
      onProgress: (share) => shares.push(share),
    });
    const numbers = [...lora.pairs.values()].reduce(
      (sum, { a, b }) => sum + a.length + b.length,
      0,
    );
    expect(adapter.info).toMatchObject({
      ...{ name: 'Random LoRA', rank: 3, alpha: 6, matrixCount: 14, weightBytes: 4 * numbers },
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/u) as string,
    });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it('ends what has it applied with CLOSED when it is closed, and disturbs nobody else', async () => {
    const model = await open();
    const before = await answer(model);
    const [one, other] = await Promise.all(
      [1, 2].map(async (seed) => load(model, (await writeLora(folder, basePath, { seed })).path)),
    );
    const expected = await answer(model, [{ adapter: other!, scale: 1 }]);
    await withSequence(model, async (sequence) => {
      await sequence.setAdapters!([{ adapter: one!, scale: 1 }]);
      const spec = greedySpec(model, { maxTokens: 400, creditTokens: 4, endTokens: new Set() });
      const reader = sequence.generate(prompt, spec)[Symbol.asyncIterator]();
      await reader.next();
      await one!.close();
      await one!.close();
      const rest = (async () => {
        while (!(await reader.next()).done);
      })();
      expect(await rejection(rest)).toMatchObject({ code: 'CLOSED' });
      const again = collect(sequence, prompt, greedySpec(model));
      expect(await rejection(again)).toMatchObject({ code: 'CLOSED' });
      const uses = [{ adapter: one!, scale: 1 }];
      expect(await rejection(sequence.setAdapters!(uses))).toMatchObject({ code: 'CLOSED' });
      await sequence.setAdapters!([]);
      expect(await answer(model, [{ adapter: other!, scale: 1 }])).toEqual(expected);
    });
    expect(await answer(model)).toEqual(before);
    // The next one may lie where the closed one lay.
    const { path, lora } = await writeLora(folder, basePath, { seed: 9 });
    const merged = await open(await writeMerged(folder, basePath, [{ lora, scale: 1 }]));
    const next = await load(model, path);
    expect((await answer(model, [{ adapter: next, scale: 1 }])).tokens).toEqual(
      (await answer(merged)).tokens,
    );
  });

  it('goes with its model, and is of no other', async () => {
    const [model, other] = [await open(), await open()];
    const adapter = await load(model, (await writeLora(folder, basePath)).path);
    const uses = [{ adapter, scale: 1 }];
    await withSequence(other, async (sequence) => {
      expect(await rejection(sequence.setAdapters!(uses))).toMatchObject({ key: 'adapters[0]' });
    });
    await model.close();
    await adapter.close();
  });

  it('gives its memory back', async () => {
    const model = await open();
    const { path } = await writeLora(folder, basePath, { rank: 64, size: 0.1 });
    const rss = async (times: number) => {
      for (let round = 0; round < times; round++) {
        const adapter = await load(model, path);
        if (round % 8 === 0) await answer(model, [{ adapter, scale: 1 }]);
        await adapter.close();
      }
      return process.memoryUsage.rss();
    };
    const before = await rss(20);
    // About 0.7 MB each: 84 MB if they stayed.
    expect((await rss(120)) - before).toBeLessThan(30e6);
  });
});

describe('an adapter that does not fit is refused', () => {
  const f32 = (value: number) => ({ type: 'float32', value }) as const;
  it.each([
    ['of another kind', { metadata: { 'general.type': 'model' } }, 'MODEL_INVALID', 'general.type'],
    [
      'of a kind that is no word',
      { metadata: { 'general.type': f32(1) } },
      'MODEL_INVALID',
      'general.type',
    ],
    [
      'of another type',
      { metadata: { 'adapter.type': 'dora' } },
      'MODEL_UNSUPPORTED',
      'adapter.type',
    ],
    [
      'of another architecture',
      { architecture: 'qwen2' },
      'MODEL_UNSUPPORTED',
      'general.architecture',
    ],
    [
      'without end',
      { metadata: { 'adapter.lora.alpha': f32(Infinity) } },
      'MODEL_INVALID',
      'adapter.lora.alpha',
    ],
    [
      'without number',
      { metadata: { 'adapter.lora.alpha': f32(NaN) } },
      'MODEL_INVALID',
      'adapter.lora.alpha',
    ],
    [
      'without effect',
      { metadata: { 'adapter.lora.alpha': f32(0) } },
      'MODEL_INVALID',
      'adapter.lora.alpha',
    ],
    [
      'whose alpha is an integer',
      { metadata: { 'adapter.lora.alpha': { type: 'uint32', value: 8 } as const } },
      'MODEL_INVALID',
      'adapter.lora.alpha',
    ],
    [
      'that is activated by tokens',
      {
        metadata: {
          'adapter.alora.invocation_tokens': {
            type: 'array',
            elementType: 'uint32',
            value: [1],
          } as const,
        },
      },
      'MODEL_UNSUPPORTED',
      'adapter.alora.invocation_tokens',
    ],
    ['of nothing', { changes: () => false }, 'MODEL_INVALID', 'tensors'],
  ])('%s', async (_, options, code, key) => {
    const model = await open();
    const { path } = await writeLora(folder, basePath, options);
    expect(await rejection(load(model, path))).toMatchObject({ code, details: { key } });
  });

  it('made for a model of another width, depth, or with tied embeddings', async () => {
    const model = await open();
    const tensors = await tensorsOf(basePath);
    const { loraGguf } = await import('@mobillm/core/testing');
    const refused = async (altered: readonly { name: string; shape: readonly number[] }[]) => {
      const path = join(folder, 'altered.gguf');
      writeFileSync(path, loraGguf({ tensors: altered }).bytes);
      return rejection(load(model, path));
    };
    const wide = tensors.map(({ name, shape }) => ({ name, shape: shape.map((n) => 2 * n) }));
    expect(await refused(wide)).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { key: 'blk.0.attn_q.weight.lora_a' },
    });
    const deep = tensors.map(({ name, shape }) => ({
      name: name.replace('blk.1.', 'blk.7.'),
      shape,
    }));
    expect(await refused(deep)).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { key: 'blk.7.attn_q.weight.lora_a' },
    });
  });

  it('that is missing, or no GGUF, or changed after it was checked; and an adapter is no model', async () => {
    const model = await open();
    const missing = join(folder, 'missing.gguf');
    expect(await rejection(load(model, missing))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    const text = join(folder, 'text.gguf');
    writeFileSync(text, 'no adapter');
    expect(await rejection(load(model, text))).toMatchObject({ code: 'MODEL_INVALID' });
    const { path, lora } = await writeLora(folder, basePath);
    const changing = model.loadAdapter!(adapterFiles(path), {
      onProgress: () => writeFileSync(path, lora.bytes.subarray(0, 900)),
    });
    expect(await rejection(changing)).toMatchObject({
      code: expect.stringMatching(/INTEGRITY_FAILED|IO_FAILED/u) as string,
    });
    const sound = (await writeLora(folder, basePath)).path;
    expect(await rejection(openModel(sound, exact))).toMatchObject({ code: 'MODEL_INVALID' });
    const abort = AbortSignal.abort(new Error('enough'));
    const aborted = model.loadAdapter!(adapterFiles(sound), { signal: abort });
    expect(await rejection(aborted)).toBe(abort.reason);
  });
});

describe('sessions with adapters', () => {
  const engines: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });
  const openWhole = async (): Promise<Model> => {
    const engine = await createLlamaCppEngine();
    engines.push(engine);
    return engine.open(basePath, { contextTokens: 512, threads: 1, engineOptions: exact });
  };
  const system = 'You are brief, kind and patient, and you like short words.';
  const said = { temperature: 0, maxTokens: 12 };

  it('take nothing over from those with others, and all from those with the same', async () => {
    const model = await openWhole();
    const adapter = await model.loadAdapter((await writeLora(folder, basePath)).path);
    const adapters = [{ adapter, scale: 0.5 }];
    const send = async (own: object) => {
      const session = await model.createSession({ system, defaults: { ...said, ...own } });
      const result = await session.send('Name a colour.');
      await session.close();
      return result;
    };
    const plain = await send({});
    const first = await send({ adapters });
    expect(first.usage.cachedTokens).toBe(0);
    expect(first.text).not.toBe(plain.text);
    expect(first.placement.adapters).toEqual([{ sha256: adapter.info.sha256, scale: 0.5 }]);
    expect(plain.placement.adapters).toBeUndefined();
    expect((await send({ adapters: [{ adapter, scale: 0.25 }] })).usage.cachedTokens).toBe(0);
    const again = await send({ adapters });
    expect(again.usage.cachedTokens).toBe(again.usage.promptTokens - 1);
    expect(again.text).toBe(first.text);
    const zero = await send({ adapters: [{ adapter, scale: 0 }] });
    expect(zero.usage.cachedTokens).toBe(zero.usage.promptTokens - 1);
    expect(zero.text).toBe(plain.text);
  });

  it('come back from a file with the same ones alone, and are computed again with others', async () => {
    const { path } = await writeLora(folder, basePath);
    const model = await openWhole();
    const adapter = await model.loadAdapter(path);
    const defaults = { ...said, adapters: [{ adapter, scale: 0.5 }] };
    const session = await model.createSession({ system, defaults });
    await session.send('Name a colour.');
    const file = join(folder, 'adapted.session');
    await session.save(file);
    const expected = await session.send('Name another one.');

    const fresh = await openWhole();
    const same = await fresh.loadAdapter(path);
    const restored = await fresh.restoreSession(file, {
      defaults: { ...said, adapters: [{ adapter: same, scale: 0.5 }] },
    });
    expect(restored.restored?.cachedTokens).toBeGreaterThan(20);
    expect((await restored.send('Name another one.')).text).toBe(expected.text);

    for (const adapters of [[], [{ adapter: same, scale: 0.25 }]]) {
      const other = await fresh.restoreSession(file, { defaults: { ...said, adapters } });
      expect(other.restored).toMatchObject({ cachedTokens: 0, reason: { code: 'KV_MISMATCH' } });
      expect(other.restored?.reason?.message).toContain('adapters');
      await other.send('Name another one.');
      await other.close();
    }
  });

  it('end with CLOSED when theirs is closed, and go on without it', async () => {
    const model = await openWhole();
    const adapter = await model.loadAdapter((await writeLora(folder, basePath)).path);
    const adapters = [{ adapter }];
    const session = await model.createSession({ system, defaults: { ...said, adapters } });
    const run = session.send('Tell me a long story.', { maxTokens: 300 });
    for await (const event of run) if (event.type === 'text') break;
    const running = model.generate({ prompt: 'Once upon a time', maxTokens: 400, adapters });
    const events = running[Symbol.asyncIterator]();
    await events.next();
    await adapter.close();
    expect(await rejection(running)).toMatchObject({
      code: 'CLOSED',
      details: { what: 'adapter' },
    });
    expect(() => session.send('More.')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(session.tokenCount).toBe(0);
    const answered = await session.send('More.', { adapters: [] });
    expect(answered.usage.cachedTokens).toBe(0);
    const expected = await model.generate({ prompt: 'Once upon a time', ...said });
    expect(expected.usage.cachedTokens).toBe(0);
  });

  it('name what is wrong with the option', async () => {
    const [model, other] = [await openWhole(), await openWhole()];
    const adapter = await model.loadAdapter((await writeLora(folder, basePath)).path);
    const generate = (on: Model, adapters: unknown) => () =>
      on.generate({ prompt: 'a', adapters } as never);
    const wrong = (key: string) =>
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key }) as Error;
    expect(generate(model, [{ adapter: {} }])).toThrow(wrong('adapters[0].adapter'));
    expect(generate(model, [{ scale: 1 }])).toThrow(wrong('adapters[0].adapter'));
    expect(generate(model, [{ adapter, scale: NaN }])).toThrow(wrong('adapters[0].scale'));
    expect(generate(model, [{ adapter }, { adapter }])).toThrow(wrong('adapters[1].adapter'));
    expect(generate(other, [{ adapter }])).toThrow(wrong('adapters'));
    await model.close();
    expect(MobillmError.is(await rejection(model.loadAdapter('x.gguf')), 'CLOSED')).toBe(true);
  });
});
