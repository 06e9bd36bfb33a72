import { compareTeacherForced } from '@mobillm/core/testing';
import { createMlcDriver } from '@mobillm/engine-mlc';
import { createQnnDriver } from '@mobillm/engine-qnn';
import { describe, expect, it } from 'vitest';
import { ensureRequantizedModel } from '../../../scripts/requantized-model.mjs';
import { compileForMlc, compileForQnn, temporaryFolder, writeTinyModel } from './support/models.js';
import { openReference, openSide } from './support/opening.js';
import { prompts, twoChunks } from './support/prompts.js';

const folder = temporaryFolder();

describe('on the same weights, fed the same tokens, engines agree with llama.cpp', () => {
  it('MLC on F32 weights of SmolLM2-135M: 10 prompts, 32 tokens each', async () => {
    const path = await ensureRequantizedModel('f32');
    const result = await compareTeacherForced({
      reference: await openReference(path),
      candidate: await openSide(await createMlcDriver(), await compileForMlc(path, 'smollm2')),
      prompts,
      steps: 32,
      margin: 0.001,
    });
    console.log('MLC against llama.cpp, SmolLM2 in F32:', result);
    expect(result.compared + result.skipped).toBe(320);
    expect(result.skipped).toBeLessThan(10);
    expect(result.largestDifference).toBeLessThan(0.001);
  });

  it('QNN on F16 weights of the tiny model: 10 prompts, 32 tokens each', async () => {
    const path = await writeTinyModel(folder, 'f16');
    const result = await compareTeacherForced({
      reference: await openReference(path),
      candidate: await openSide(
        await createQnnDriver(),
        await compileForQnn(path, 'tiny', { contextTokens: 256 }),
      ),
      prompts,
      steps: 32,
      margin: 0.02,
    });
    console.log('QNN against llama.cpp, tiny model in F16:', result);
    expect(result.compared + result.skipped).toBe(320);
    expect(result.skipped).toBeLessThan(32);
    expect(result.largestDifference).toBeLessThan(0.02);
  });

  it('QNN on F16 weights of SmolLM2-135M: a prompt of 40 tokens, which is two chunks', async () => {
    const path = await ensureRequantizedModel('f16');
    const reference = await openReference(path);
    const options = { chunkTokens: 32, contextTokens: 128 };
    const files = await compileForQnn(path, 'smollm2', options);
    const candidate = await openSide(await createQnnDriver(), files);
    // A token takes the emulator 4 seconds, a chunk 9.
    const result = await compareTeacherForced({
      ...{ reference, candidate, prompts: [twoChunks(reference)] },
      steps: 4,
      margin: 0.15,
    });
    console.log('QNN against llama.cpp, SmolLM2 in F16:', result);
    expect(result.compared).toBeGreaterThan(1);
    expect(result.largestDifference).toBeLessThan(0.15);
  });
});
