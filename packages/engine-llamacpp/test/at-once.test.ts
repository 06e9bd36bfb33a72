import { join } from 'node:path';
import type { Engine, GenerationResult, Model } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);
const sequences = 16;
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', batchTokens: 32 };
const computed = ({ usage }: GenerationResult) => usage.promptTokens - usage.cachedTokens;

describe('requests that come at once', () => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await createLlamaCppEngine();
  });
  afterAll(() => engine.close());

  const open = (path: string, contextTokens: number): Promise<Model> =>
    engine.open(path, { contextTokens, sequences, threads: 1, engineOptions: exact });

  /** A beginning of 300 tokens, and a prompt of 20 more for each. */
  const prompts = Array.from({ length: sequences }, (_, request) =>
    Array.from({ length: 320 }, (_, index) =>
      index < 300 ? 20 + ((index * 37) % 200) : 20 + ((index * 41 + request * 7) % 200),
    ),
  );
  const generate = (model: Model, tokens: number[]) =>
    model.generate({ tokens, maxTokens: 12, temperature: 0 });

  it('compute a beginning once, and say what they say apart', async () => {
    // Of one each would take all: what they have in common has to be there once.
    const model = await open(tinyPath, 1024);
    const together = await Promise.all(prompts.map((tokens) => generate(model, tokens)));
    expect(together.map(computed)).toEqual([320, ...prompts.slice(1).map(() => 20)]);
    await model.close();
    for (const [request, tokens] of prompts.entries()) {
      const alone = await open(tinyPath, 1024);
      expect(together[request]!.tokens).toEqual((await generate(alone, tokens)).tokens);
      await alone.close();
    }
  }, 60_000);

  it('go on from as much as there is of it when who computes it is aborted', async () => {
    const model = await open(tinyPath, 1024);
    const abort = new AbortController();
    const first = model.generate({ tokens: prompts[0]!, maxTokens: 12, signal: abort.signal });
    const aborted = (async () => {
      for await (const event of first) if (event.type === 'prefill') abort.abort('enough');
    })();
    const others = prompts.slice(1).map((tokens) => generate(model, tokens));
    await expect(aborted).rejects.toBe('enough');
    const counts = (await Promise.all(others)).map(computed).sort((a, b) => b - a);
    expect(counts[0]).toBeLessThanOrEqual(320);
    expect(counts.slice(1)).toEqual(others.slice(1).map(() => 20));
    await model.close();
  });

  it('restore one saved beginning as one', async () => {
    const model = await open(tinyPath, 512);
    const path = join(folder, 'beginning.session');
    const system = 'You are brief, kind and patient. '.repeat(9);
    const options = { defaults: { maxTokens: 2, temperature: 0 } };
    const beginning = await model.createSession({ system, ...options });
    const { cachedTokens } = await beginning.save(path);
    await beginning.reset();
    await beginning.close();
    expect(cachedTokens).toBeGreaterThan(250);
    const sessions = await Promise.all(
      Array.from({ length: 8 }, () => model.restoreSession(path, options)),
    );
    // Two of them would fill the pool.
    expect(sessions.map(({ tokenCount }) => tokenCount)).toEqual(sessions.map(() => cachedTokens));
    const answers = await Promise.all(sessions.map((session) => session.send('Well?')));
    expect(answers.map(({ usage }) => usage.cachedTokens)).toEqual(
      sessions.map(() => cachedTokens),
    );
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    await model.close();
  });

  it('compute a system message once, as sessions of a real model', async () => {
    const model = await engine.open(defaultModelPath, { contextTokens: 1024, sequences });
    const system = 'Answer in the language of the question, briefly and kindly. '.repeat(8);
    const defaults = { maxTokens: 2, temperature: 0 };
    const sessions = await Promise.all(
      Array.from({ length: sequences }, () => model.createSession({ system, defaults })),
    );
    const answers = await Promise.all(
      sessions.map((session, index) => session.send(`What is ${index} and ${index}?`)),
    );
    const [first, ...others] = answers.map(computed);
    expect(first).toBeGreaterThan(90);
    for (const count of others) expect(count).toBeLessThan(30);
    await model.close();
  }, 120_000);
});
