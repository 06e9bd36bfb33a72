import type { EngineDriver, KvLayer, KvSnapshot, ModelDriver, Token } from '@mobillm/core';
import { rejection, withSequence } from '@mobillm/core/testing';
import { collect } from './support/driving.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMlcDriver } from '../src/index.js';
import { compiledTinyModel, filesOf } from './support/models.js';

const path = await compiledTinyModel();

/** Longer than several pages of 16 tokens, and no multiple of one. */
const prompt: readonly Token[] = Array.from({ length: 75 }, (_, index) => (index * 37) % 256);
const openOptions = { contextTokens: 256, sequences: 3, threads: 1, engineOptions: {} } as const;

describe('a key-value snapshot', () => {
  let driver: EngineDriver;
  let model: ModelDriver;
  let direct: readonly Token[];

  beforeAll(async () => {
    driver = await createMlcDriver();
    model = await driver.open(filesOf(path), openOptions);
    direct = await withSequence(model, (sequence) =>
      collectTokens(sequence, prompt, { maxTokens: 12 }),
    );
  });
  afterAll(() => model.close());

  /** What a sequence exports after the prompt, with the logits that follow it. */
  const exported = (fromToken = 0): Promise<KvSnapshot> =>
    withSequence(model, async (sequence) => {
      await collectTokens(sequence, prompt, { maxTokens: 0, keepLogits: true });
      return sequence.exportKv!({ fromToken });
    });

  /** What a sequence exports after the first tokens of the prompt. */
  const head = (count: number): Promise<KvSnapshot> =>
    withSequence(model, async (sequence) => {
      await collectTokens(sequence, prompt.slice(0, count), { maxTokens: 0 });
      return sequence.exportKv!();
    });

  /** Goes on where snapshots end, without a new token. */
  const continued = (...snapshots: readonly KvSnapshot[]): Promise<readonly Token[]> =>
    withSequence(model, async (sequence) => {
      for (const snapshot of snapshots) await sequence.importKv!(snapshot);
      expect(sequence.tokenCount).toBe(prompt.length);
      return collectTokens(sequence, [], { maxTokens: 12 });
    });

  it('says what it is', async () => {
    const snapshot = await exported();
    const { layers, nextLogits, ...facts } = snapshot;
    expect(facts).toEqual({
      version: 1,
      lineage: await model.lineage!(),
      startPosition: 0,
      tokens: prompt,
      dtype: 'f32',
      kvHeads: 2,
      keyLength: 16,
      valueLength: 16,
      rope: { pairing: 'neox', base: 10_000, scale: 1, rotatedLength: 16 },
    });
    expect(layers).toHaveLength(2);
    for (const { keys, values } of layers) {
      expect(keys.byteLength).toBe(2 * prompt.length * 16 * 4);
      expect(values.byteLength).toBe(2 * prompt.length * 16 * 4);
    }
    expect(nextLogits).toHaveLength(model.tokenizer.vocabularySize);
  });

  it('takes the place of a prompt', async () => {
    expect(await continued(await exported())).toEqual(direct);
  });

  it('comes back to the byte', async () => {
    const first = await exported();
    const second = await withSequence(model, async (sequence) => {
      await sequence.importKv!(first);
      return sequence.exportKv!();
    });
    expect(second).toEqual(first);
  });

  it.each([1, 15, 16, 17, 40, 64, 74])('can come in two parts, cut at %i', async (cut) => {
    const whole = await exported();
    const beginning = await head(cut);
    const rest = await exported(cut);
    expect(rest.startPosition).toBe(cut);
    expect(rest.tokens).toEqual(prompt.slice(cut));
    expect(whole.tokens).toEqual([...beginning.tokens, ...rest.tokens]);
    expect(await continued(beginning, rest)).toEqual(direct);
  });

  it('may have its pairs of values side by side', async () => {
    const snapshot = await exported();
    const interleaved = toInterleaved(snapshot);
    expect(interleaved.layers[0]!.keys).not.toEqual(snapshot.layers[0]!.keys);
    expect(await continued(interleaved)).toEqual(direct);
    const back = await withSequence(model, async (sequence) => {
      await sequence.importKv!(interleaved);
      return sequence.exportKv!();
    });
    expect(back.layers).toEqual(snapshot.layers);
  });

  it('may be of another number format', async () => {
    const snapshot = await exported();
    // A bf16 is the upper half of an f32: the same numbers, less exact.
    const back = await withSequence(model, async (sequence) => {
      await sequence.importKv!(toBf16(snapshot));
      return sequence.exportKv!();
    });
    expect(back).toEqual({ ...widened(toBf16(snapshot)), nextLogits: snapshot.nextLogits });
    const again = await withSequence(model, async (sequence) => {
      await sequence.importKv!(toBf16(back));
      return sequence.exportKv!();
    });
    expect(again).toEqual(back);
  });

  it('holds the logits alone where the reader has all tokens', async () => {
    const rest = await exported(prompt.length);
    expect(rest.tokens).toEqual([]);
    expect(rest.nextLogits).toHaveLength(model.tokenizer.vocabularySize);
    expect(await continued(await head(prompt.length), rest)).toEqual(direct);
  });

  it('is appended to: a prompt can follow', async () => {
    const beginning = await head(40);
    const tokens = await withSequence(model, async (sequence) => {
      await sequence.importKv!(beginning);
      return collectTokens(sequence, prompt.slice(40), { maxTokens: 12 });
    });
    expect(tokens).toEqual(direct);
  });

  it('can be cut after it has come', async () => {
    const tokens = await withSequence(model, async (sequence) => {
      await sequence.importKv!(await exported());
      expect(await sequence.truncate(40)).toBe(40);
      return collectTokens(sequence, prompt.slice(40), { maxTokens: 12 });
    });
    expect(tokens).toEqual(direct);
  });

  it('that does not fit, or does not begin where the cache ends, leaves the cache as it was', async () => {
    const rest = await exported(40);
    const long = Array.from({ length: 230 }, (_, index) => index);
    const tokens = await withSequence(model, async (sequence) => {
      expect(await rejection(sequence.importKv!(rest))).toMatchObject({ code: 'KV_MISMATCH' });
      await collectTokens(sequence, long, { maxTokens: 0 });
      const misplaced = { ...rest, startPosition: 230 };
      expect(await rejection(sequence.importKv!(misplaced))).toMatchObject({
        code: 'CONTEXT_FULL',
      });
      expect(sequence.tokenCount).toBe(230);
      return collectTokens(sequence, [7], { maxTokens: 12 });
    });
    const expected = await withSequence(model, (sequence) =>
      collectTokens(sequence, [...long, 7], { maxTokens: 12 }),
    );
    expect(tokens).toEqual(expected);
  });
});

async function collectTokens(...args: Parameters<typeof collect>): Promise<readonly Token[]> {
  return (await collect(...args)).tokens;
}

/** Moves value i of a head beside value i + half, which is what `interleaved` means. */
function toInterleaved(snapshot: KvSnapshot): KvSnapshot {
  const half = snapshot.keyLength / 2;
  const layers = snapshot.layers.map(({ keys, values }): KvLayer => {
    const from = new Uint32Array(keys.buffer, keys.byteOffset, keys.byteLength / 4);
    const to = new Uint32Array(from.length);
    for (let row = 0; row < from.length; row += snapshot.keyLength) {
      for (let i = 0; i < half; i++) {
        to[row + 2 * i] = from[row + i]!;
        to[row + 2 * i + 1] = from[row + half + i]!;
      }
    }
    return { keys: new Uint8Array(to.buffer), values };
  });
  return { ...snapshot, layers, rope: { ...snapshot.rope, pairing: 'interleaved' } };
}

const changed = (
  snapshot: KvSnapshot,
  dtype: KvSnapshot['dtype'],
  change: (tensor: Uint8Array) => Uint8Array,
): KvSnapshot => ({
  ...snapshot,
  dtype,
  layers: snapshot.layers.map(({ keys, values }) => ({
    keys: change(keys),
    values: change(values),
  })),
});

/** The upper halves of 32-bit numbers. */
function toBf16(snapshot: KvSnapshot): KvSnapshot {
  return changed(snapshot, 'bf16', (tensor) => {
    const words = new Uint32Array(tensor.buffer, tensor.byteOffset, tensor.byteLength / 4);
    return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
  });
}

/** The same numbers in 32 bits. */
function widened(snapshot: KvSnapshot): KvSnapshot {
  return changed(snapshot, 'f32', (tensor) => {
    const halves = new Uint16Array(tensor.buffer, tensor.byteOffset, tensor.byteLength / 2);
    return new Uint8Array(Uint32Array.from(halves, (half) => (half << 16) >>> 0).buffer);
  });
}
