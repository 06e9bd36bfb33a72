import { MobillmError, type HardwareProfile } from '@mobillm/core';
import { writeGguf } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { createModelStore, type FittingChoice } from '../../src/index.js';
import { ownHubs } from '../servers/own-hub.js';
import { modelScopeServers } from '../servers/modelscope-server.js';
import { safetensorsFolder, type Folder } from '../support/model-folders.js';
import { modelOf } from '../support/quantized-models.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const hubOf = ownHubs(folder);
const startModelScope = modelScopeServers();
/** Sizes that the quantizations of one model of some 50 million weights have. */
const files: Folder = {
  'Tiny-Q2_K.gguf': modelOf(16),
  'Tiny-Q4_K_M.gguf': modelOf(32),
  'Tiny-Q8_0.gguf': modelOf(64),
  'Tiny-F16.gguf': modelOf(80),
};
const mebibyte = 2 ** 20;

/** A machine with so much memory for a model, beside the 64 MiB that the planner leaves to the system. */
function deviceWith(mebibytes: number): HardwareProfile {
  const effectiveAvailableBytes = (mebibytes + 64) * mebibyte;
  return {
    os: 'linux',
    arch: 'x64',
    cpu: { logicalCpus: 2, cores: 2, clusters: [], features: [] },
    memory: {
      totalBytes: 2 ** 33,
      availableBytes: effectiveAvailableBytes,
      effectiveAvailableBytes,
    },
    unknown: [],
  };
}

const open = () => createModelStore({ directory: `${folder.path}/store` });

describe('the selection auto', () => {
  it.each([
    [130, 'Q8_0'],
    [100, 'Q4_K_M'],
    [80, 'Q2_K'],
  ])('takes, with %d MiB for a model, %s', async (mebibytes, quantization) => {
    await hubOf(files);
    await using store = open();
    const chosen: FittingChoice[] = [];
    const model = await store.pull('hf:owner/Tiny:auto', {
      fit: { hardware: deviceWith(mebibytes) },
      onChosen: (choice) => chosen.push(choice),
    });
    expect(model.name).toBe(`owner/Tiny-${quantization}`);
    expect(chosen).toHaveLength(1);
    const { selection, plan, reasons } = chosen[0]!;
    expect(selection).toBe(quantization);
    expect(plan).toMatchObject({ fits: true, contextTokens: 4096 });
    expect(plan.memory.totalBytes).toBeLessThanOrEqual(mebibytes * mebibyte);
    expect(reasons[0]).toBe(
      `${quantization} is the largest of 3 that fits with a context of 4096 tokens.`,
    );
    // It asks for the same again, whatever memory is free then.
    expect(model.origin?.reference).toBe(`hf:owner/Tiny:Tiny-${quantization}.gguf`);
  });

  it('says what did not fit, and by how much', async () => {
    await hubOf(files);
    await using store = open();
    const { choice, name } = await store.describe('hf:owner/Tiny:auto', {
      fit: { hardware: deviceWith(80) },
    });
    expect(name).toBe('owner/Tiny-Q2_K');
    const others = choice?.reasons.filter((reason) => /^Q[48].* does not fit: /.test(reason)) ?? [];
    expect(others).toHaveLength(2);
    for (const reason of others) {
      expect(reason).toMatch(
        /\d+(\.\d+)? MB are needed at 4096 tokens of context, but 151 MB are available/,
      );
    }
  });

  it('takes the smallest with a short context where no useful one fits', async () => {
    await hubOf(files);
    await using store = open();
    const needed = async (contextTokens: number) => {
      const { choice } = await store.describe('hf:owner/Tiny:auto', {
        fit: { hardware: deviceWith(2000), contextTokens },
      });
      return choice!.plan.memory.totalBytes;
    };
    // Q2_K is 48 Mi of weights smaller than Q8_0, in 34 bytes for 32.
    const saved = (48 * mebibyte * 34) / 32;
    const [short, useful] = [(await needed(512)) - saved, (await needed(4096)) - saved];
    expect(short).toBeLessThan(useful);
    const between = (short + useful) / 2 / mebibyte;
    const { choice, name } = await store.describe('hf:owner/Tiny:auto', {
      fit: { hardware: deviceWith(between) },
    });
    expect(name).toBe('owner/Tiny-Q2_K');
    expect(choice?.plan.contextTokens).toBeGreaterThanOrEqual(512);
    expect(choice?.plan.contextTokens).toBeLessThan(4096);
  });

  it('fails with the numbers of the smallest where nothing fits', async () => {
    const hub = await hubOf(files);
    await using store = open();
    const failing = await store
      .pull('hf:owner/Tiny:auto', { fit: { hardware: deviceWith(20) } })
      .catch((error: unknown) => error);
    expect(MobillmError.is(failing, 'OUT_OF_MEMORY')).toBe(true);
    const { message, details } = failing as MobillmError;
    expect(message).toMatch(
      /^Nothing of "owner\/Tiny" fits this device\. The smallest of its 3 quantizations is Q2_K: \d+(\.\d+)? MB are needed at 512 tokens of context, but 88 MB are available now/,
    );
    expect(details).toMatchObject({
      selection: 'Q2_K',
      contextTokens: 512,
      availableBytes: 84 * mebibyte,
    });
    expect(details['neededBytes']).toBeGreaterThan(20 * mebibyte);
    expect(await store.list()).toEqual([]);
    expect(
      hub.requests.every(({ range }) => range === undefined || range === 'bytes=0-131071'),
    ).toBe(true);
  });

  it('reads no header of what is too large by its size', async () => {
    const hub = await hubOf({ ...files, 'Tiny-Q6_K.gguf': modelOf(400) });
    await using store = open();
    await store.describe('hf:owner/Tiny:auto', { fit: { hardware: deviceWith(200) } });
    const asked = hub.requests.flatMap(({ path }) => /resolve\/[^/]+\/(.*)$/.exec(path)?.[1] ?? []);
    expect(new Set(asked)).toEqual(new Set(['Tiny-Q8_0.gguf']));
  });

  it('counts the projector that comes along', async () => {
    const data = new Uint8Array(60 * mebibyte);
    const projector = writeGguf({
      metadata: { 'general.architecture': 'clip' },
      tensors: [{ name: 't', type: 'F32', shape: [data.byteLength / 4], data }],
    });
    await hubOf({ ...files, 'mmproj-F16.gguf': projector });
    await using store = open();
    const told = await store.describe('hf:owner/Tiny:auto', { fit: { hardware: deviceWith(160) } });
    expect(told).toMatchObject({ choice: { selection: 'Q4_K_M' } });
    expect(told.files.map(({ role }) => role)).toEqual(['weights', 'projector']);
    // The description is that of the model alone.
    expect(told.description.weightBytes).toBeLessThan(60 * mebibyte);
  });

  it('passes over what is no model, and says so', async () => {
    const broken = new Uint8Array(modelOf(60));
    broken.set(new TextEncoder().encode('<html>'));
    await hubOf({ ...files, 'Tiny-Q6_K.gguf': broken });
    await using store = open();
    const { choice, name } = await store.describe('hf:owner/Tiny:auto', {
      fit: { hardware: deviceWith(100) },
    });
    expect(name).toBe('owner/Tiny-Q4_K_M');
    expect(choice?.reasons).toContainEqual(
      expect.stringMatching(/^Q6_K cannot be used: This is not a GGUF file/),
    );
    await hubOf({ 'Tiny-Q6_K.gguf': broken });
    await expect(store.describe('hf:owner/Tiny:auto')).rejects.toMatchObject({
      code: 'MODEL_INVALID',
    });
  });

  it('takes the usual quantization where a device does not tell its memory', async () => {
    await hubOf(files);
    await using store = open();
    const { choice } = await store.describe('hf:owner/Tiny:auto', {
      fit: { hardware: { ...deviceWith(1), memory: {} } },
    });
    expect(choice).toMatchObject({ selection: 'Q4_K_M', plan: { fits: true } });
    expect(choice?.reasons[0]).toBe('Q4_K_M is what most devices run well.');
    expect(choice?.reasons.join(' ')).toMatch(/how much memory is available could not be read/);
  });

  it('takes unquantized weights where there are no others', async () => {
    await hubOf({ 'Tiny-F16.gguf': modelOf(16) });
    await using store = open();
    const { choice } = await store.describe('hf:owner/Tiny:auto', {
      fit: { hardware: deviceWith(200) },
    });
    expect(choice?.reasons[0]).toBe(
      'F16 is all there is, and it fits with a context of 4096 tokens.',
    );
  });

  it('plans for this device where none is given', async () => {
    await hubOf(files);
    await using store = open();
    expect(await store.describe('hf:owner/Tiny:auto')).toMatchObject({
      name: expect.stringMatching(/^owner\/Tiny-Q/) as string,
      choice: { plan: { fits: true, engine: 'llamacpp' } },
    });
  });

  it('works for ModelScope, for the hub by its registry, and for a model in a folder', async () => {
    const hub = await startModelScope('owner/Tiny', files);
    vi.stubEnv('MODELSCOPE_ENDPOINT', hub.endpoint);
    await using store = open();
    const fit = { hardware: deviceWith(100) };
    expect(await store.describe('modelscope:owner/Tiny:auto', { fit })).toMatchObject({
      name: 'owner/Tiny-Q4_K_M',
      origin: { reference: 'modelscope:owner/Tiny:Tiny-Q4_K_M.gguf' },
    });
    await hubOf({ 'Tiny-Q4_0.gguf': modelOf(16) });
    expect(await store.describe('ollama:hf.co/owner/Tiny:auto', { fit })).toMatchObject({
      origin: { reference: 'hf:owner/Tiny:Tiny-Q4_0.gguf' },
    });
    await hubOf(safetensorsFolder());
    const folderModel = await store.pull('hf:owner/Tiny:auto', { fit });
    expect(folderModel).toMatchObject({
      files: { format: 'safetensors' },
      origin: { reference: 'hf:owner/Tiny' },
    });
    await expect(
      store.describe('hf:owner/Tiny:auto', { fit: { hardware: deviceWith(1) } }),
    ).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  });

  it('refuses wrong options by name', async () => {
    await using store = open();
    for (const [fit, key] of [
      [{ contextTokens: 0 }, 'options.fit.contextTokens'],
      [{ hardware: 7 }, 'options.fit.hardware'],
      [{ device: 'cpu' }, 'options.fit.device'],
    ] as const) {
      await expect(store.describe('hf:a/b:auto', { fit: fit as object })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        key,
      });
    }
  });
});
