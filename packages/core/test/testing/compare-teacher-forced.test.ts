import { afterEach, describe, expect, it } from 'vitest';
import type { EngineDriver, ModelDriver } from '../../src/engine/driver.js';
import { createHybridEngine } from '../../src/hybrid/create-hybrid-engine.js';
import { internalsOf } from '../../src/runtime/engine-internals.js';
import {
  compareTeacherForced,
  createFakeDriver,
  createFakeEngine,
  type FakeEngineOptions,
  fakeFiles,
  type TeacherForcedSide,
} from '../../src/testing/index.js';

const opened: ModelDriver[] = [];

afterEach(async () => {
  for (const model of opened.splice(0)) await model.close();
});

async function open(driver: EngineDriver): Promise<TeacherForcedSide> {
  const model = await driver.open(fakeFiles, {
    contextTokens: 256,
    sequences: 1,
    threads: 1,
    engineOptions: {},
  });
  opened.push(model);
  return { model, capabilities: driver.capabilities };
}

const fake = (options?: FakeEngineOptions) => open(createFakeDriver(options));
const prompts = ['Once upon a time there was a cat that', [97, 98, 99]];

describe('compareTeacherForced', () => {
  it('finds engines equal that step, store and round differently, and says by how much', async () => {
    const result = await compareTeacherForced({
      reference: await fake(),
      candidate: await fake({ rounding: 0.05, prefillChunkTokens: 7, kv: { dtype: 'f16' } }),
      prompts,
      steps: 8,
      margin: 0.2,
    });
    expect(result).toMatchObject({ compared: 16, skipped: 0 });
    expect(result.largestDifference).toBeGreaterThan(0.01);
    expect(result.largestDifference).toBeLessThanOrEqual(0.0501);
  });

  it('finds a hybrid equal to its decoding engine', async () => {
    const side = { engine: createFakeEngine(), files: fakeFiles };
    const hybrid = createHybridEngine({ prefill: side, decode: side });
    const candidate = await open(internalsOf(hybrid, 'hybrid').driver);
    expect(
      await compareTeacherForced({
        reference: await fake(),
        candidate,
        prompts,
        steps: 8,
        margin: 0.2,
      }),
    ).toEqual({ compared: 16, skipped: 0, largestDifference: 0 });
  });

  it('compares log-probabilities where one side has nothing else', async () => {
    const result = await compareTeacherForced({
      reference: await fake(),
      candidate: await fake({ rounding: 0.05, capabilities: { exportKv: false } }),
      prompts,
      steps: 8,
      margin: 0.2,
    });
    expect(result.compared).toBe(16);
    expect(result.largestDifference).toBeLessThan(0.11);
  });

  it('fails for an engine that loses a token, naming the first place', async () => {
    const comparing = compareTeacherForced({
      reference: await fake(),
      candidate: await fake({ fault: 'loses-tokens-at-chunk-boundary' }),
      prompts,
      steps: 8,
      margin: 0.2,
    });
    // The second prompt fits one step and loses nothing.
    await expect(comparing).rejects.toThrow(
      /disagrees at \d of 16 positions, first at prompt 0, step 0/u,
    );
  });

  it('fails where the reference was nowhere sure, and where nothing can be compared', async () => {
    const reference = await fake();
    await expect(
      compareTeacherForced({ reference, candidate: await fake(), prompts, steps: 2, margin: 100 }),
    ).rejects.toThrow('the reference was nowhere sure: of 4 positions none');
    const candidate = await fake({ capabilities: { exportKv: false, logprobs: false } });
    await expect(
      compareTeacherForced({ reference, candidate, prompts, steps: 2, margin: 0.2 }),
    ).rejects.toThrow('cannot be compared');
  });
});
