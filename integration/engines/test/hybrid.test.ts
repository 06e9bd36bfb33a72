import {
  createHybridEngine,
  type Engine,
  type HybridEngine,
  type HybridEngineOptions,
  type ModelFiles,
  type Token,
} from '@mobillm/core';
import { compareTeacherForced, driverOf, type TeacherForcedSide } from '@mobillm/core/testing';
import { createLlamaCppEngine } from '@mobillm/engine-llamacpp';
import { createMlcEngine } from '@mobillm/engine-mlc';
import { createQnnEngine } from '@mobillm/engine-qnn';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureRequantizedModel } from '../../../scripts/requantized-model.mjs';
import {
  compileForMlc,
  compileForQnn,
  gguf,
  temporaryFolder,
  writeTinyModel,
} from './support/models.js';
import { closeLater, exact, openReference, openSide } from './support/opening.js';
import { allPrompts, twoChunks } from './support/prompts.js';

const folder = temporaryFolder();

/** One model in the forms of two engines, and how near their logits have to come. */
interface Pair {
  readonly create: () => Promise<Engine>;
  /** The GGUF file that both forms are made of. */
  readonly path: string;
  readonly files: ModelFiles;
  readonly prompts: (reference: TeacherForcedSide) => readonly (readonly Token[])[];
  readonly steps: number;
  /** Largest difference of logits that rounding explains. */
  readonly margin: number;
  /** Positions above the margin for each below it, at least. */
  readonly surePerUnsure: number;
  /** Why no conversation is tried, where none is. */
  readonly noConversation?: string;
  /** What the prefilling library says of its build. */
  readonly build: RegExp;
}

const pairs: Readonly<Record<string, () => Promise<Pair>>> = {
  'QNN prefills the tiny model': async () => {
    const path = await writeTinyModel(folder, 'f16');
    return {
      create: createQnnEngine,
      path,
      files: await compileForQnn(path, 'tiny', { contextTokens: 256 }),
      prompts: allPrompts,
      steps: 32,
      margin: 0.02,
      surePerUnsure: 9,
      build: /^v2\.51\.0\.\d+$/,
    };
  },
  'QNN prefills SmolLM2-135M': async () => {
    const path = await ensureRequantizedModel('f16');
    return {
      create: createQnnEngine,
      path,
      files: await compileForQnn(path, 'smollm2', { chunkTokens: 32, contextTokens: 128 }),
      prompts: (reference) => [twoChunks(reference)],
      steps: 16,
      margin: 0.15,
      surePerUnsure: 5,
      noConversation: 'half a minute on the emulator, which shows it on the tiny model',
      build: /^v2\.51\.0\.\d+$/,
    };
  },
  'MLC prefills SmolLM2-135M': async () => {
    const path = await ensureRequantizedModel('f32');
    return {
      create: createMlcEngine,
      path,
      files: await compileForMlc(path, 'smollm2'),
      prompts: allPrompts,
      steps: 32,
      margin: 0.001,
      surePerUnsure: 9,
      build: /./,
    };
  },
};

/** The prefilling engine's model and llama.cpp's as one engine. */
async function createHybrid(
  { create, path, files }: Pair,
  own: Pick<HybridEngineOptions, 'minPrefillTokens'> = {},
): Promise<HybridEngine> {
  const prefill = { engine: closeLater(await create()), files };
  const decode = {
    engine: closeLater(await createLlamaCppEngine()),
    files: gguf(path),
    engineOptions: exact,
  };
  return closeLater(createHybridEngine({ prefill, decode, ...own }));
}

describe.each(Object.entries(pairs))('%s, llama.cpp decodes', (_, make) => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await make();
  });

  it('and the answer is what llama.cpp alone would say', async () => {
    // Answers are fed token by token: those are decoded, like the answers of a run.
    const hybrid = await createHybrid(pair, { minPrefillTokens: 2 });
    const reference = await openReference(pair.path);
    const asked = pair.prompts(reference);
    const result = await compareTeacherForced({
      ...{ ...pair, prompts: asked, reference },
      candidate: await openSide(driverOf(hybrid), gguf(pair.path)),
    });
    console.log('hybrid against llama.cpp:', result);
    expect(result.compared + result.skipped).toBe(asked.length * pair.steps);
    expect(result.compared).toBeGreaterThan(pair.surePerUnsure * result.skipped);
    expect(result.largestDifference).toBeLessThan(pair.margin);

    const promptTokens = asked.flat().length;
    expect(hybrid.counts).toMatchObject({
      prefilledTokens: promptTokens,
      handedOverTokens: promptTokens,
      directTokens: asked.length * (pair.steps - 1),
      returnedTokens: 0,
      recomputedTokens: 0,
    });
  });

  it('computes no token twice, in the second turn neither, and says what ran where', async (context) => {
    if (pair.noConversation !== undefined) context.skip(pair.noConversation);
    const hybrid = await createHybrid(pair);
    const model = await hybrid.open(undefined, { contextTokens: 128 });
    const session = await model.createSession({ defaults: { maxTokens: 12, temperature: 0 } });

    const first = await session.send('What is the sky?');
    const { promptTokens, completionTokens } = first.usage;
    expect(hybrid.counts).toMatchObject({
      prefilledTokens: promptTokens,
      handedOverTokens: promptTokens,
      directTokens: 0,
      returnedTokens: 0,
      recomputedTokens: 0,
    });

    const second = await session.send('And the sea?');
    // The token that was sampled last was never computed, so it is new to both.
    expect(second.usage.cachedTokens).toBe(promptTokens + completionTokens - 1);
    expect(hybrid.counts).toMatchObject({
      prefilledTokens: second.usage.promptTokens - (completionTokens - 1),
      handedOverTokens: second.usage.promptTokens - (completionTokens - 1),
      directTokens: 0,
      returnedTokens: completionTokens - 1,
      recomputedTokens: 0,
    });

    const { prefill, decode } = second.placement.phases!;
    expect(prefill.libraryBuild).toMatch(pair.build);
    expect([prefill.engine, decode.engine]).toEqual([hybrid.name.split('+')[0], 'llamacpp']);
    expect(decode.libraryBuild).toMatch(/^[0-9a-f]{7,}$/);
    expect(Object.keys(prefill.layersByDevice)).toHaveLength(1);
  });
});

describe('a hybrid of two different models', () => {
  it('is refused when it is opened', async () => {
    const pair = await pairs['QNN prefills the tiny model']!();
    const hybrid = await createHybrid({ ...pair, path: await writeTinyModel(folder, 'f32') });
    await expect(hybrid.open()).rejects.toMatchObject({ code: 'KV_MISMATCH' });
  });
});
