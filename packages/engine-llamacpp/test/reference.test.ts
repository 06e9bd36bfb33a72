import type { EngineDriver, ModelDriver } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { collect, greedySpec } from './support/driving.js';
import { defaultModelPath, filesOf } from './support/models.js';
import { runReference } from './support/reference.js';

const prompts = [
  'The capital of France is',
  'Once upon a time, in a small village by the sea,',
  'def fibonacci(n):\n',
  'Water boils at',
  'List three primary colors:\n1.',
  'The quick brown fox',
  'In 1969, astronauts',
  'SELECT name FROM users WHERE',
  'Dear Sir or Madam,\n\n',
  'import numpy as np\n\nx =',
  '2 + 2 = 4\n3 + 5 = 8\n7 + 6 =',
  'The opposite of hot is',
  'To make a good cup of tea, first',
  'Photosynthesis is the process by which',
  'Q: Who wrote Hamlet?\nA:',
  'It was a dark and stormy night;',
  '{"name": "Ada", "age":',
  'The mitochondria is the',
  'Breaking news: scientists have discovered',
  `${'All work and no play makes Jack a dull boy. '.repeat(60)}The end.`,
];

// The kind of attention is what the engine takes here by itself.
const settings = { context: 1024, batch: 512, threads: 1, 'flash-attention': 'off' };

describe('beside llama.cpp itself, with the same batch and threads', () => {
  let driver: EngineDriver;
  let model: ModelDriver;

  beforeAll(async () => {
    driver = await createLlamaCppDriver();
    model = await driver.open(filesOf(defaultModelPath), {
      contextTokens: settings.context,
      sequences: 4,
      threads: settings.threads,
      engineOptions: { batchTokens: settings.batch },
    });
    expect(model.placement().tuning!.flashAttention.value).toBe(false);
  });

  afterAll(async () => {
    await model.close();
    await driver.close?.();
  });

  const generateAll = async (
    jobs: readonly { prompt: readonly number[]; maxTokens: number }[],
    sampling = {},
  ) => {
    const results = [];
    for (const { prompt, maxTokens } of jobs) {
      const sequence = await model.createSequence();
      const spec = greedySpec(model, { maxTokens });
      results.push({
        tokens: (
          await collect(sequence, prompt, { ...spec, sampling: { ...spec.sampling, ...sampling } })
        ).tokens,
      });
      await sequence.close();
    }
    return results;
  };

  const jobs = () =>
    prompts.map((text) => ({ prompt: model.tokenizer.encode(text), maxTokens: 32 }));

  it(`decodes ${prompts.length} prompts greedily to the same tokens`, async () => {
    const expected = runReference(jobs(), settings).map(({ tokens }) => ({ tokens }));
    expect(expected.every(({ tokens }) => tokens.length > 0)).toBe(true);
    expect(await generateAll(jobs())).toEqual(expected);
  });

  it('samples the same tokens from the same seed', async () => {
    const some = jobs().slice(0, 6);
    const expected = runReference(some, { ...settings, temperature: 0.8, seed: 1234 });
    expect(
      await generateAll(some, { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: 1234 }),
    ).toEqual(expected.map(({ tokens }) => ({ tokens })));
  });
});
