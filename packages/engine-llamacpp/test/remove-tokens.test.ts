import type { SequenceDriver } from '@mobillm/core';
import { drive } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import type { LlamaCppOpenOptions } from '../src/index.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';
import { modelOpener } from './support/opened-models.js';

const folder = temporaryFolder();
const oneLayer = await writeTinyModel(folder, { layers: 1 });
const prompt = Array.from({ length: 90 }, (_, index) => 20 + ((index * 37) % 200));
const exact: LlamaCppOpenOptions = { keyType: 'f32', valueType: 'f32', flashAttention: 'off' };

const openModel = modelOpener({ contextTokens: 256, sequences: 3 });

/** Logits after what a sequence holds and one more token. */
async function logitsOf(sequence: SequenceDriver): Promise<Float32Array> {
  await drive(sequence, [77], { maxTokens: 0, keepLogits: true });
  const { nextLogits } = await sequence.exportKv!({ fromToken: sequence.tokenCount });
  return nextLogits!;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

describe('tokens taken out of the middle', () => {
  // In one layer nothing of the removed tokens is in the others, so only places could be wrong.
  it('leave the others where they would have been without them', async () => {
    const model = await openModel(oneLayer, exact);
    const [moved, fresh] = [await model.createSequence(), await model.createSequence()];
    await drive(moved, prompt, { maxTokens: 0 });
    expect(await moved.removeTokens!(10, 55)).toBe(true);
    expect(await moved.removeTokens!(20, 25)).toBe(true);
    const left = [...prompt.slice(0, 10), ...prompt.slice(55, 65), ...prompt.slice(70)];
    expect(moved.tokenCount).toBe(left.length);
    await drive(fresh, left, { maxTokens: 0 });
    const [actual, expected] = [await logitsOf(moved), await logitsOf(fresh)];
    const scale = Math.max(...expected.map(Math.abs));
    expect(largestDifference(actual, expected) / scale).toBeLessThan(1e-4);
  });

  it('are gone at once: the keys behind them are rotated before anybody reads them', async () => {
    const model = await openModel(oneLayer, exact);
    const [moved, fresh] = [await model.createSequence(), await model.createSequence()];
    await drive(moved, prompt, { maxTokens: 0 });
    await moved.removeTokens!(10, 55);
    await drive(fresh, [...prompt.slice(0, 10), ...prompt.slice(55)], { maxTokens: 0 });
    const keysOf = async (sequence: SequenceDriver) => {
      const { layers } = await sequence.exportKv!();
      const { buffer, byteOffset, byteLength } = layers[0]!.keys;
      return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    };
    const [actual, expected] = [await keysOf(moved), await keysOf(fresh)];
    const scale = Math.max(...expected.map(Math.abs));
    expect(largestDifference(actual, expected) / scale).toBeLessThan(1e-5);
  });

  it('leave other sequences alone, copies of the beginning among them', async () => {
    const model = await openModel(oneLayer, exact);
    const [moved, copy, fresh] = [
      await model.createSequence(),
      await model.createSequence(),
      await model.createSequence(),
    ];
    await drive(moved, prompt, { maxTokens: 0 });
    await copy.copyFrom!(moved, 10);
    await drive(copy, prompt.slice(40), { maxTokens: 0 });
    await moved.removeTokens!(10, 55);
    await drive(moved, prompt, { maxTokens: 4 });
    await drive(fresh, [...prompt.slice(0, 10), ...prompt.slice(40)], { maxTokens: 0 });
    const [actual, expected] = [await logitsOf(copy), await logitsOf(fresh)];
    const scale = Math.max(...expected.map(Math.abs));
    expect(largestDifference(actual, expected) / scale).toBeLessThan(1e-4);
  });

  it('go from a quantized cache, too', async () => {
    const model = await openModel(defaultModelPath, { keyType: 'q8_0', valueType: 'q8_0' });
    const sequence = await model.createSequence();
    await drive(sequence, prompt, { maxTokens: 0 });
    expect(await sequence.removeTokens!(10, 55)).toBe(true);
    const { tokens } = await drive(sequence, [77], { maxTokens: 5 });
    expect(tokens).toHaveLength(5);
    expect(sequence.tokenCount).toBe(prompt.length - 45 + 1 + 4);
  });

  it('have to be there', async () => {
    const sequence = await (await openModel(oneLayer, exact)).createSequence();
    await drive(sequence, prompt, { maxTokens: 0 });
    await expect(sequence.removeTokens!(10, 91)).rejects.toMatchObject({ key: 'to' });
    await expect(sequence.removeTokens!(10, 9)).rejects.toMatchObject({ key: 'from' });
    expect(await sequence.removeTokens!(10, 10)).toBe(true);
    expect(sequence.tokenCount).toBe(prompt.length);
  });
});
