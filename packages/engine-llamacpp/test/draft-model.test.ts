import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelDriver } from '@mobillm/core';
import { drive, rejection, specOf, withSequence } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { defaultModelPath, temporaryFolder, writeTinyModel } from './support/models.js';
import { modelOpener } from './support/opened-models.js';

const folder = temporaryFolder();
const target = await writeTinyModel(folder);
/** Says something else than the target nearly always. */
const stranger = await writeTinyModel(folder, { seed: 2, layers: 1 });
/** With these, steps of every size compute the same to the last bit. */
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', batchTokens: 32 } as const;
const always = { speculation: 'always' } as const;

const openModel = modelOpener({ contextTokens: 256, sequences: 3 });
const openWith = (draftModel: string) => openModel(target, { ...exact, draftModel });
const promptOf = (first: number, length = 70) =>
  Array.from({ length }, (_, index) => 20 + ((index * first) % 200));

async function say(model: ModelDriver, prompt: readonly number[], own = {}) {
  const run = await withSequence(model, (sequence) =>
    drive(sequence, prompt, { maxTokens: 40, ...own }),
  );
  const { draftedTokens = 0, acceptedTokens = 0 } = run.batches.at(-1) ?? {};
  return { tokens: run.tokens, finish: run.finish, draftedTokens, acceptedTokens };
}

describe('a draft model', () => {
  it('that is the model itself guesses everything', async () => {
    const plain = await openModel(target, exact);
    const model = await openWith(target);
    // One after the other on the one cache of the draft model, and back again.
    for (const first of [37, 41, 37, 43]) {
      const expected = await say(plain, promptOf(first));
      const guessed = await say(model, promptOf(first), always);
      expect(guessed.tokens).toEqual(expected.tokens);
      // The longest prompt is read in three steps, in which nothing is guessed.
      expect(guessed.acceptedTokens).toBe(guessed.draftedTokens);
      expect(guessed.acceptedTokens).toBeGreaterThan(25);
    }
  });

  it('that says something else changes nothing', async () => {
    const plain = await openModel(target, exact);
    const model = await openWith(stranger);
    const sampling = { ...specOf().sampling, temperature: 1.2, seed: 9 };
    for (const own of [{}, { sampling }, { creditTokens: 2 }]) {
      const expected = await say(plain, promptOf(37), own);
      for (const speculation of ['always', 'auto']) {
        const guessed = await say(model, promptOf(37), { ...own, speculation });
        expect([guessed.tokens, guessed.finish]).toEqual([expected.tokens, expected.finish]);
        expect(guessed.acceptedTokens).toBeLessThanOrEqual(guessed.draftedTokens);
        // With little credit there is room for guesses only where the reader is quick.
        if (speculation === 'always' && !('creditTokens' in own)) {
          expect(guessed.draftedTokens).toBeGreaterThan(guessed.acceptedTokens);
        }
      }
    }
    expect((await say(model, promptOf(37))).draftedTokens).toBe(0);
  });

  it('fills its context as the model does, and several sequences share it', async () => {
    const model = await openWith(target);
    const plain = await openModel(target, exact);
    const full = promptOf(37, 250);
    const guessed = await say(model, full, always);
    expect(guessed.finish).toBe('context-full');
    expect(guessed.tokens).toEqual((await say(plain, full)).tokens);
    const prompts = [37, 41, 43].map((first) => promptOf(first, 20));
    const own = { maxTokens: 24 };
    const together = await Promise.all(
      prompts.map((prompt) => say(model, prompt, { ...always, ...own })),
    );
    for (const [index, prompt] of prompts.entries()) {
      expect(together[index]?.tokens).toEqual((await say(plain, prompt, own)).tokens);
    }
  });

  it('stops where its generation is aborted, and follows the next one', async () => {
    const model = await openWith(target);
    const expected = await say(await openModel(target, exact), promptOf(41));
    for (const least of [1, 9]) {
      const abort = new AbortController();
      const reason = new Error('the user went on');
      const error = await withSequence(model, (sequence) =>
        rejection(
          (async () => {
            let seen = 0;
            const spec = specOf({ ...always, maxTokens: 100 });
            for await (const batch of sequence.generate(promptOf(37), spec, abort.signal)) {
              seen += batch.tokens.length;
              if (seen >= least) abort.abort(reason);
            }
          })(),
        ),
      );
      expect(error).toBe(reason);
      expect((await say(model, promptOf(41), always)).tokens).toEqual(expected.tokens);
    }
  });

  it('goes with its model, in the middle of a generation', async () => {
    const model = await openWith(target);
    const sequence = await model.createSequence();
    const spec = specOf({ ...always, maxTokens: 150, creditTokens: 4 });
    const run = sequence.generate(promptOf(37), spec)[Symbol.asyncIterator]();
    await run.next();
    await model.close();
    const pulls = (async () => {
      while (!(await run.next()).done);
    })();
    expect(await rejection(pulls)).toMatchObject({ code: 'CLOSED' });
  });

  it('is refused where it cannot guess for the model', async () => {
    const missing = join(folder, 'missing.gguf');
    expect(await rejection(openWith(missing))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    const broken = join(folder, 'broken.gguf');
    writeFileSync(broken, 'GGUF, but no more');
    expect(await rejection(openWith(broken))).toMatchObject({ code: 'MODEL_INVALID' });
    expect(await rejection(openWith(defaultModelPath))).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      details: { path: defaultModelPath },
    });
    expect(await rejection(openModel(target, { draftModel: '' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'engineOptions.draftModel',
    });
  });

  it('is counted in the estimate', async () => {
    const engine = await createLlamaCppEngine();
    const bytesOf = async (path: string, own = {}, sequences = 3) => {
      const engineOptions = { ...exact, ...own };
      const estimate = await engine.estimate(path, {
        ...{ contextTokens: 256, sequences, engineOptions },
      });
      const sum = (purpose: string) =>
        estimate.items.reduce((all, item) => all + (item.purpose === purpose ? item.bytes : 0), 0);
      expect(estimate.method).toBe('exact');
      return { weights: sum('weights'), cache: sum('kv-cache'), total: estimate.totalBytes };
    };
    const [both, alone, draft] = [
      await bytesOf(target, { draftModel: stranger }),
      await bytesOf(target),
      await bytesOf(stranger, {}, 1),
    ];
    expect(both.weights).toBe(alone.weights + draft.weights);
    expect(both.cache).toBe(alone.cache + draft.cache);
    expect(both.total).toBeGreaterThan(alone.total);
    expect(both.total).toBeLessThanOrEqual(alone.total + draft.total);
    await engine.close();
  });
});
