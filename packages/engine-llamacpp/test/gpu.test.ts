import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type DriverAdapterUse, type ModelDriver } from '@mobillm/core';
import { compareTeacherForced, drive, tinyBert, withSequence } from '@mobillm/core/testing';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { adapterFiles, writeLora } from './support/lora.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const driver = await createLlamaCppDriver();
const gpu = driver.devices.find(({ kind }) => kind === 'gpu');
afterAll(() => driver.close?.());

/** What a GPU's rounding does to a difference of logits of the tiny model, with room to spare. */
const margin = 0.05;

const contextTokens = 256;
const sequences = 4;
const prompts = [37, 41, 43, 47].map((factor) =>
  Array.from({ length: 200 }, (_, index) => 20 + ((index * factor) % 200)),
);

// Only a machine with a GPU, and a back end for it beside the addon, runs these.
describe.skipIf(gpu === undefined)('a model on a GPU', () => {
  const folder = temporaryFolder();
  const device = gpu?.id ?? '';
  const opened: ModelDriver[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((model) => model.close())));

  const open = async (path: string, where: string, own: Readonly<Record<string, unknown>> = {}) => {
    const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', batchTokens: 32 };
    const layers = where === 'cpu' ? {} : { gpuLayers: 'all' };
    const model = await driver.open(filesOf(path), {
      ...{ contextTokens, sequences, threads: 2, device: where },
      engineOptions: { ...exact, ...layers, ...own },
    });
    opened.push(model);
    return model;
  };
  const side = (model: ModelDriver) => ({ model, capabilities: driver.capabilities });

  it('computes what the CPU does, several sequences at once in a pool of more than a context', async () => {
    const path = await writeTinyModel(folder);
    const pool = { poolTokens: sequences * contextTokens };
    const reference = side(await open(path, 'cpu', pool));
    const candidate = side(await open(path, device, pool));
    expect(candidate.model.kvPoolTokens).toBeGreaterThanOrEqual(sequences * contextTokens);
    expect(candidate.model.placement().layersByDevice).toEqual({ [device]: 2 });
    const results = await Promise.all(
      prompts.map((prompt) =>
        compareTeacherForced({ reference, candidate, prompts: [prompt], steps: 40, margin }),
      ),
    );
    for (const { compared, largestDifference } of results) {
      expect(compared).toBeGreaterThan(10);
      expect(largestDifference).toBeLessThan(margin);
    }
    console.log(`${device}: several at once: ${JSON.stringify(results)}`);
  });

  it('is guessed for by a draft model on the same GPU', async () => {
    const path = await writeTinyModel(folder);
    const plain = await open(path, device);
    const drafted = await open(path, device, { draftModel: path });
    const weightBytes = async (own: object) => {
      const { items } = await driver.estimate!(filesOf(path), {
        ...{ contextTokens, sequences, device },
        engineOptions: { gpuLayers: 'all', ...own },
      });
      const weights = items.filter((item) => item.purpose === 'weights' && item.device === device);
      return weights.reduce((sum, { bytes }) => sum + bytes, 0);
    };
    expect(await weightBytes({ draftModel: path })).toBe(2 * (await weightBytes({})));
    for (const prompt of prompts) {
      const own = { maxTokens: 40 };
      const expected = await withSequence(plain, (sequence) =>
        drive(sequence, prompt, { ...own, logprobs: 2 }),
      );
      const guessed = await withSequence(drafted, (sequence) =>
        drive(sequence, prompt, { ...own, speculation: 'always' }),
      );
      const { draftedTokens = 0, acceptedTokens = 0 } = guessed.batches.at(-1) ?? {};
      expect(acceptedTokens).toBeGreaterThan(20);
      // Steps of several tokens round otherwise: only what was nearly undecided may turn out differently.
      const parting = expected.tokens.findIndex((token, i) => token !== guessed.tokens[i]);
      if (parting >= 0) {
        const [best, second] = expected.logprobs[parting]?.top ?? [];
        expect(best!.logprob - second!.logprob).toBeLessThan(margin);
      }
      console.log(`${device}: draft: ${acceptedTokens} of ${draftedTokens}, parting ${parting}`);
    }
  });

  it('has adapters applied as on the CPU', async () => {
    const path = await writeTinyModel(folder);
    const lora = await writeLora(folder, path);
    const logitsOn = async (where: string) => {
      const model = await open(path, where);
      const adapter = await model.loadAdapter!(adapterFiles(lora.path), {});
      const after = (uses: readonly DriverAdapterUse[]) =>
        withSequence(model, async (sequence) => {
          await sequence.setAdapters!(uses);
          await drive(sequence, prompts[0]!, { maxTokens: 0, keepLogits: true });
          return (await sequence.exportKv!({ fromToken: sequence.tokenCount })).nextLogits!;
        });
      return { plain: await after([]), adapted: await after([{ adapter, scale: 1 }]) };
    };
    const expected = await logitsOn('cpu');
    const actual = await logitsOn(device);
    expect(largestDifference(expected.plain, expected.adapted)).toBeGreaterThan(0.5);
    expect(largestDifference(expected.adapted, actual.adapted)).toBeLessThan(margin);
    expect(largestDifference(expected.plain, actual.plain)).toBeLessThan(margin);
    console.log(`${device}: adapter: ${largestDifference(expected.adapted, actual.adapted)} apart`);
  });

  it('goes on with what was saved, here and on the CPU', async () => {
    const path = await writeTinyModel(folder);
    const engine = createEngine(driver);
    const openWhole = (where: string) =>
      engine.open(path, {
        ...{ contextTokens: 512, sequences: 1, device: where },
        engineOptions: where === 'cpu' ? {} : { gpuLayers: 'all' },
      });
    const file = join(folder, 'gpu.session');
    const defaults = { temperature: 0, maxTokens: 24 };
    const model = await openWhole(device);
    const session = await model.createSession({ system: 'Be brief. '.repeat(8), defaults });
    await session.send('Name a colour.');
    const saved = await session.save(file);
    const expected = await session.send('Name another one.');
    await model.close();
    expect(saved.cachedTokens).toBeGreaterThan(100);
    for (const where of [device, 'cpu']) {
      const fresh = await openWhole(where);
      const restored = await fresh.restoreSession(file, { defaults });
      expect(restored.restored).toEqual({ cachedTokens: saved.cachedTokens });
      const { text } = await restored.send('Name another one.');
      // The same bytes and the same steps on the same device.
      if (where === device) expect(text).toBe(expected.text);
      await fresh.close();
    }
  });

  it('embeds as on the CPU', async () => {
    const path = join(folder, 'bert.gguf');
    writeFileSync(path, tinyBert({ architecture: 'bert' }).gguf);
    const engine = createEngine(driver);
    const vectorsOn = async (where: string) => {
      const model = await engine.open(path, {
        device: where,
        engineOptions: where === 'cpu' ? {} : { gpuLayers: 'all' },
      });
      const layers = model.placement.layersByDevice;
      const vectors = await model.embed(['the cat sat on the mat.', 'sun', 'the moon, the sun']);
      await model.close();
      return { vectors, layers };
    };
    const expected = await vectorsOn('cpu');
    const actual = await vectorsOn(device);
    expect(Object.keys(actual.layers)).toEqual([device]);
    for (const [index, vector] of actual.vectors.entries()) {
      expect(largestDifference(vector, expected.vectors[index]!)).toBeLessThan(0.01);
    }
    console.log(
      `${device}: vectors: ${Math.max(...actual.vectors.map((v, i) => largestDifference(v, expected.vectors[i]!)))} apart`,
    );
  });
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}
