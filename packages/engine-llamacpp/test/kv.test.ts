import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  convertKvSnapshot,
  encodeKvSnapshot,
  type KvSnapshot,
  type ModelDriver,
  type SequenceDriver,
  sliceKvSnapshot,
} from '@mobillm/core';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import type { LlamaCppOpenOptions } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';
import { modelOpener } from './support/opened-models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);
const prompt = Array.from({ length: 300 }, (_, index) => 20 + ((index * 37) % 200));

const openModel = modelOpener({ contextTokens: 512, sequences: 2 });

/** Computes a prompt and nothing more. */
async function prefill(
  model: ModelDriver,
  sequence: SequenceDriver,
  tokens: readonly number[],
): Promise<void> {
  await collect(sequence, tokens, greedySpec(model, { maxTokens: 0, keepLogits: true }));
}

/** What follows, greedily, and how many tokens were computed before the first one. */
async function goOn(
  model: ModelDriver,
  sequence: SequenceDriver,
  tokens: readonly number[] = [],
): Promise<{ readonly tokens: readonly number[]; readonly computed: number }> {
  const sampled: number[] = [];
  let computed = 0;
  const spec = greedySpec(model, { maxTokens: 24, endTokens: new Set() });
  for await (const batch of sequence.generate(tokens, spec)) {
    sampled.push(...batch.tokens);
    computed = batch.prefilledTokens;
  }
  return { tokens: sampled, computed };
}

/** sha256 of all of a snapshot that is of the cache. Vitest compares megabytes for minutes. */
function digestOf(snapshot: KvSnapshot): string {
  const { nextLogits: _, ...cache } = snapshot;
  return createHash('sha256').update(encodeKvSnapshot(cache)).digest('hex');
}

/** The snapshot, taken over by a fresh sequence and read again. */
async function reread(model: ModelDriver, snapshot: KvSnapshot): Promise<KvSnapshot> {
  const sequence = await model.createSequence();
  try {
    await sequence.importKv!(snapshot);
    return await sequence.exportKv!();
  } finally {
    await sequence.close();
  }
}

/** For two sequences with the prompt. */
const room = { contextTokens: 1024 };

const settings: readonly LlamaCppOpenOptions[] = [
  { keyType: 'f16', valueType: 'f16', flashAttention: 'on' },
  { keyType: 'f16', valueType: 'f16', flashAttention: 'off' },
  { keyType: 'f32', valueType: 'f32', flashAttention: 'on' },
  { keyType: 'f32', valueType: 'f32', flashAttention: 'off' },
  { keyType: 'bf16', valueType: 'bf16', flashAttention: 'off' },
  { keyType: 'f16', valueType: 'f32', flashAttention: 'off' },
];
const nameOf = ({ keyType, valueType, flashAttention }: LlamaCppOpenOptions) =>
  `${keyType} keys, ${valueType} values, flash attention ${flashAttention}`;

for (const [title, path, cases] of [
  ['SmolLM2-135M', defaultModelPath, [settings[0]!, settings[3]!]],
  ['a tiny model of random weights', tinyPath, settings],
] as const) {
  describe(`the cache of ${title}`, () => {
    it.each(cases.map((options) => [nameOf(options), options] as const))(
      'goes on elsewhere with the same tokens, and nothing computed again: %s',
      async (_, options) => {
        const [source, target] = [await openModel(path, options), await openModel(path, options)];
        const [from, to] = [await source.createSequence(), await target.createSequence()];
        await prefill(source, from, prompt);
        const snapshot = await from.exportKv!();
        expect(snapshot.tokens).toEqual(prompt);
        expect(snapshot.dtype).toBe(
          options.keyType === options.valueType ? options.keyType : 'f32',
        );
        expect(snapshot.rope.pairing).toBe('interleaved');
        await to.importKv!(snapshot);
        expect(to.tokenCount).toBe(prompt.length);
        expect(digestOf(await to.exportKv!())).toEqual(digestOf(snapshot));
        const expected = await goOn(source, from);
        expect(expected.tokens).toHaveLength(24);
        expect(await goOn(target, to)).toEqual({ tokens: expected.tokens, computed: 0 });

        // The next turn sends what came since, and computes the new text alone.
        const end = await from.exportKv!({ fromToken: prompt.length });
        expect(end.startPosition).toBe(prompt.length);
        expect(end.tokens).toEqual(expected.tokens.slice(0, 23));
        const third = await openModel(path, options);
        const next = await third.createSequence();
        await next.importKv!(snapshot);
        await next.importKv!(end);
        const text = prompt.slice(0, 7);
        expect(await goOn(third, next, text)).toEqual(await goOn(source, from, text));
        expect((await goOn(third, next, text)).computed).toBe(text.length);
      },
    );

    it('lies in memory in one way with flash attention and in another without, and goes from one to the other', async () => {
      const on = await openModel(path, { flashAttention: 'on' }, room);
      const off = await openModel(path, { flashAttention: 'off' });
      const sequence = await on.createSequence();
      await prefill(on, sequence, prompt);
      const snapshot = await sequence.exportKv!();
      const moved = await reread(off, snapshot);
      expect(digestOf(moved)).toEqual(digestOf(snapshot));
      expect(digestOf(await reread(on, moved))).toEqual(digestOf(snapshot));
    });

    it('is converted from another pairing and number format', async () => {
      const model = await openModel(path, {}, room);
      const exact = await openModel(path, { keyType: 'f32', valueType: 'f32' });
      const sequence = await model.createSequence();
      await prefill(model, sequence, prompt);
      const snapshot = await sequence.exportKv!();
      const other = convertKvSnapshot(snapshot, { pairing: 'neox', dtype: 'f32' });
      expect(digestOf(await reread(model, other))).toEqual(digestOf(snapshot));
      expect(digestOf(await reread(exact, snapshot))).toEqual(
        digestOf(convertKvSnapshot(snapshot, { dtype: 'f32' })),
      );
    });
  });
}

describe('handing a cache over', () => {
  it('finds the tokens of a sequence wherever they lie among those of others', async () => {
    const model = await openModel(tinyPath, {}, { sequences: 3 });
    const sequences = await Promise.all([0, 1, 2].map(() => model.createSequence()));
    const [first, second, third] = sequences as [SequenceDriver, SequenceDriver, SequenceDriver];
    for (const [start, end] of [
      [0, 40],
      [40, 41],
      [41, 90],
    ] as const) {
      for (const sequence of [first, second]) {
        await prefill(model, sequence, prompt.slice(start, end));
      }
    }
    // The gaps are filled from the front: a later token lies before earlier ones.
    await first.truncate(20);
    await third.importKv!(await second.exportKv!());
    await prefill(model, first, prompt.slice(20, 70));
    const scattered = await first.exportKv!();
    expect(scattered.tokens).toEqual(prompt.slice(0, 70));
    expect(digestOf(await third.exportKv!())).toEqual(digestOf(await second.exportKv!()));
    const fresh = await openModel(tinyPath);
    expect(digestOf(await reread(fresh, scattered))).toEqual(digestOf(scattered));
    expect(digestOf(await first.exportKv!({ fromToken: 33 }))).toEqual(
      digestOf(sliceKvSnapshot(scattered, 33)),
    );
  });

  it('names the halves of a head for an architecture that rotates those', async () => {
    const source = new Map(
      Object.entries({
        context_length: { type: 'uint32', value: 2048 },
        embedding_length: { type: 'uint32', value: 64 },
        block_count: { type: 'uint32', value: 2 },
        feed_forward_length: { type: 'uint32', value: 128 },
        'attention.head_count': { type: 'uint32', value: 4 },
        'attention.head_count_kv': { type: 'uint32', value: 2 },
        'attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-5 },
        'rope.freq_base': { type: 'float32', value: 50_000 },
        'rope.scaling.factor': { type: 'float32', value: 2 },
      } as const),
    );
    const path = join(folder, 'halves.gguf');
    await writeTinyLlamaGguf(path, {
      metadata: {
        'general.architecture': 'exaone',
        ...Object.fromEntries(
          Array.from(source, ([key, value]) => [`exaone.${key}`, value] as const),
        ),
      },
    });
    const model = await openModel(path);
    const sequence = await model.createSequence();
    await prefill(model, sequence, prompt.slice(0, 9));
    const snapshot = await sequence.exportKv!();
    expect(snapshot.rope).toEqual({ pairing: 'neox', base: 50_000, scale: 0.5, rotatedLength: 16 });
    expect(digestOf(await reread(model, snapshot))).toEqual(digestOf(snapshot));
  });

  it('refuses what is of other weights, another shape or another place, and leaves the cache', async () => {
    const model = await openModel(tinyPath);
    const stranger = await openModel(await writeTinyModel(folder, { seed: 9 }));
    const sequence = await model.createSequence();
    await prefill(model, sequence, prompt);
    const snapshot = await sequence.exportKv!();
    const foreign = await stranger.createSequence();
    await prefill(stranger, foreign, prompt);
    const target = await model.createSequence();
    await prefill(model, target, prompt.slice(0, 10));
    const before = await target.exportKv!();
    const shaped = { ...snapshot, layers: snapshot.layers.slice(1) };
    for (const wrong of [
      await foreign.exportKv!({ fromToken: 10 }),
      sliceKvSnapshot(shaped, 10),
      snapshot,
      sliceKvSnapshot(snapshot, 11),
    ]) {
      await expect(target.importKv!(wrong)).rejects.toMatchObject({ code: 'KV_MISMATCH' });
    }
    const after = await target.exportKv!();
    expect(digestOf(after)).toEqual(digestOf(before));
    expect(after.nextLogits).toEqual(before.nextLogits);
  });

  it('says CONTEXT_FULL where other sequences fill the pool, and leaves the cache', async () => {
    const model = await openModel(tinyPath, {}, { contextTokens: 512 });
    const [first, second] = [await model.createSequence(), await model.createSequence()];
    await prefill(model, first, prompt);
    const snapshot = await first.exportKv!();
    await prefill(model, second, prompt.slice(0, 4));
    await expect(second.importKv!(sliceKvSnapshot(snapshot, 4))).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
    });
    expect(second.tokenCount).toBe(4);
    await first.close();
    await second.importKv!(sliceKvSnapshot(snapshot, 4));
    expect((await second.exportKv!()).tokens).toEqual(prompt);
  });

  it.each([
    ['a quantized cache', undefined, { keyType: 'q8_0' }, 'q8_0'],
    ['a rotation scaled by yarn', { 'llama.rope.scaling.type': 'yarn' }, {}, 'yarn'],
    [
      'compressed keys',
      { 'llama.attention.kv_lora_rank': { type: 'uint32', value: 8 } },
      {},
      'compressed',
    ],
  ] as const)('says UNSUPPORTED, with the reason, to %s', async (_, metadata, options, reason) => {
    // A head of the tiny model is shorter than a block of a quantized cache.
    const path = metadata ? await writeTinyModel(folder, { metadata }) : defaultModelPath;
    const model = await openModel(path, options);
    const sequence = await model.createSequence();
    await collect(sequence, prompt.slice(0, 5), greedySpec(model, { maxTokens: 0 }));
    for (const call of [
      () => sequence.exportKv!(),
      async () => {
        const sound = await openModel(metadata ? await writeTinyModel(folder) : path);
        const other = await sound.createSequence();
        await prefill(sound, other, prompt.slice(0, 5));
        await sequence.importKv!(await other.exportKv!({ fromToken: 5 }));
      },
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining(reason) as string,
      });
    }
  });

  it('refuses a number that it cannot hold, in the last slice too, and leaves the cache', async () => {
    const model = await openModel(tinyPath, {}, { contextTokens: 1024 });
    const [source, target] = [await model.createSequence(), await model.createSequence()];
    await prefill(model, source, prompt);
    const sound = convertKvSnapshot(await source.exportKv!(), { dtype: 'f32', pairing: 'neox' });
    const last = sound.layers.at(-1)!;
    const values = last.values.slice();
    // Half precision ends at 65504.
    new DataView(values.buffer).setFloat32(values.length - 4, 1e6, true);
    const layers = [...sound.layers.slice(0, -1), { ...last, values }];
    await prefill(model, target, prompt.slice(0, 40));
    const before = digestOf(await target.exportKv!());
    const snapshot = sliceKvSnapshot({ ...sound, layers }, 40);
    await expect(target.importKv!(snapshot)).rejects.toMatchObject({ code: 'KV_MISMATCH' });
    expect(target.tokenCount).toBe(40);
    expect(digestOf(await target.exportKv!())).toEqual(before);
    await target.importKv!(sliceKvSnapshot(sound, 40));
    expect(target.tokenCount).toBe(prompt.length);
  });

  it('stops with the reason of the signal, and leaves the cache', async () => {
    const model = await openModel(
      defaultModelPath,
      { batchTokens: 512 },
      { contextTokens: 4096, sequences: 3 },
    );
    const [first, second] = [await model.createSequence(), await model.createSequence()];
    await prefill(model, first, prompt);
    const snapshot = await first.exportKv!();
    const reason = new Error('enough');
    for (const call of [
      (signal: AbortSignal) => first.exportKv!({ signal }),
      (signal: AbortSignal) => second.importKv!(snapshot, signal),
    ]) {
      const other = await model.createSequence();
      const long = Array.from({ length: 300 }, (_, index) => 20 + ((index * 31) % 200));
      const spec = greedySpec(model, { maxTokens: 0 });
      // One step of all of it: the model's thread works at that for a second or more.
      const busy = other.generate(long, spec)[Symbol.asyncIterator]().next();
      const controller = new AbortController();
      const pending = call(controller.signal);
      // By then the transfer has been handed to that thread, behind the step.
      await setImmediate();
      controller.abort(reason);
      await expect(pending).rejects.toBe(reason);
      await busy;
      await other.close();
    }
    expect(second.tokenCount).toBe(0);
    expect(first.tokenCount).toBe(prompt.length);
    await second.importKv!(snapshot);
    expect(digestOf(await second.exportKv!())).toEqual(digestOf(snapshot));
  });
});
