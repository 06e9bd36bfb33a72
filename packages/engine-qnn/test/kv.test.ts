import type { EngineDriver, KvLayer, KvSnapshot, ModelDriver, Token } from '@mobillm/core';
import { withSequence } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createQnnDriver } from '../src/index.js';
import { sample } from './support/driving.js';
import { temporaryFolder } from './support/folders.js';
import { compileCached, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const files = await compileCached(writeTinyModel(folder));

/** Longer than a chunk of 32, and no multiple of it. */
const prompt: readonly Token[] = Array.from({ length: 75 }, (_, index) => (index * 37) % 256);
const openOptions = { contextTokens: 256, sequences: 3, threads: 1, engineOptions: {} } as const;

describe('a key-value snapshot', () => {
  let driver: EngineDriver;
  let model: ModelDriver;
  let direct: readonly Token[];

  beforeAll(async () => {
    driver = await createQnnDriver();
    model = await driver.open(files, openOptions);
    direct = await withSequence(model, (sequence) => sample(sequence, prompt, { maxTokens: 12 }));
  });
  afterAll(async () => {
    await model.close();
    await driver.close?.();
  });

  /** What a sequence exports after the prompt, with the logits that follow it. */
  const exported = (fromToken = 0): Promise<KvSnapshot> =>
    withSequence(model, async (sequence) => {
      await sample(sequence, prompt, { maxTokens: 0, keepLogits: true });
      return sequence.exportKv!({ fromToken });
    });

  /** Goes on where snapshots end, without a new token. */
  const continued = (...snapshots: readonly KvSnapshot[]): Promise<readonly Token[]> =>
    withSequence(model, async (sequence) => {
      for (const snapshot of snapshots) await sequence.importKv!(snapshot);
      expect(sequence.tokenCount).toBe(prompt.length);
      return sample(sequence, [], { maxTokens: 12 });
    });

  it('says what it is', async () => {
    const snapshot = await exported();
    const { layers, nextLogits, ...facts } = snapshot;
    expect(facts).toEqual({
      version: 1,
      lineage: await model.lineage!(),
      startPosition: 0,
      tokens: prompt,
      dtype: 'f16',
      kvHeads: 2,
      keyLength: 16,
      valueLength: 16,
      rope: { pairing: 'neox', base: 10_000, scale: 1, rotatedLength: 16 },
    });
    expect(layers).toHaveLength(2);
    for (const { keys, values } of layers) {
      expect(keys.byteLength).toBe(2 * prompt.length * 16 * 2);
      expect(values.byteLength).toBe(2 * prompt.length * 16 * 2);
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

  it('can come in two parts', async () => {
    const whole = await exported();
    const head = await withSequence(model, async (sequence) => {
      await sample(sequence, prompt.slice(0, 40), { maxTokens: 0 });
      return sequence.exportKv!();
    });
    const tail = await exported(40);
    expect(tail.startPosition).toBe(40);
    expect(tail.tokens).toEqual(prompt.slice(40));
    expect(whole.tokens).toEqual([...head.tokens, ...tail.tokens]);
    expect(await continued(head, tail)).toEqual(direct);
  });

  it('may have its pairs of values side by side, and be of another number format', async () => {
    const snapshot = await exported();
    const interleaved = toInterleaved(snapshot);
    expect(interleaved.layers[0]!.keys).not.toEqual(snapshot.layers[0]!.keys);
    expect(await continued(interleaved)).toEqual(direct);
    expect(await continued(toF32(snapshot))).toEqual(direct);
    const back = await withSequence(model, async (sequence) => {
      await sequence.importKv!(toF32(interleaved));
      return sequence.exportKv!();
    });
    expect(back.layers).toEqual(snapshot.layers);
  });

  it('holds the logits alone where the reader has all tokens', async () => {
    const rest = await exported(prompt.length);
    expect(rest.tokens).toEqual([]);
    expect(rest.nextLogits).toHaveLength(model.tokenizer.vocabularySize);
  });

  it('is appended to: a prompt can follow', async () => {
    const head = await withSequence(model, async (sequence) => {
      await sample(sequence, prompt.slice(0, 40), { maxTokens: 0 });
      return sequence.exportKv!();
    });
    const tokens = await withSequence(model, async (sequence) => {
      await sequence.importKv!(head);
      return sample(sequence, prompt.slice(40), { maxTokens: 12 });
    });
    expect(tokens).toEqual(direct);
  });
});

/** Moves value i of a head beside value i + half, which is what `interleaved` means. */
function toInterleaved(snapshot: KvSnapshot): KvSnapshot {
  const half = snapshot.keyLength / 2;
  const layers = snapshot.layers.map(({ keys, values }): KvLayer => {
    const from = new Uint16Array(keys.buffer, keys.byteOffset, keys.byteLength / 2);
    const to = new Uint16Array(from.length);
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

/** The same numbers in 32 bits, exactly. */
function toF32(snapshot: KvSnapshot): KvSnapshot {
  const widen = (tensor: Uint8Array): Uint8Array => {
    const halves = new Uint16Array(tensor.buffer, tensor.byteOffset, tensor.byteLength / 2);
    return new Uint8Array(Float32Array.from(halves, halfToNumber).buffer);
  };
  const layers = snapshot.layers.map(({ keys, values }) => ({
    keys: widen(keys),
    values: widen(values),
  }));
  return { ...snapshot, dtype: 'f32', layers };
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
