import type { Engine, GenerationOptions, Model } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { ensureRequantizedModel } from '../../../scripts/requantized-model.mjs';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);
/**
 * With these, steps of any size compute the same to the last bit, but for weights of few bits: there the
 * library rounds activations too, in each size of step in its own way.
 */
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off', batchTokens: 32 };

const sentence =
  'Mrs. Albright reported that the bridge over the river Tarn needs new bearings, which cost 48,300 euros.';
const copying = `Text: ${sentence}\nThe same text: ${sentence.slice(0, 40)}`;
const rewriting =
  'id,name,price\n1,apple,0.50\n2,pear,0.75\n\nAs JSON:\n[{"id":1,"name":"apple","price":0.50},{"id":2,';

describe('speculation', () => {
  let engine: Engine;
  let model: Model;

  beforeAll(async () => {
    engine = await createLlamaCppEngine();
    model = await engine.open(await ensureRequantizedModel('f16'), {
      ...{ contextTokens: 512, sequences: 2, threads: 1, engineOptions: exact },
    });
  });
  afterAll(() => engine.close());

  it.each([
    ['a text to copy', copying, { temperature: 0 }],
    ['a table to rewrite', rewriting, { temperature: 0.5, seed: 3 }],
  ])('saves steps and changes nothing: %s', async (_task, prompt, sampling) => {
    const say = (options: GenerationOptions) =>
      model.generate({ prompt, maxTokens: 20, ...sampling, ...options });
    const plain = await say({ speculation: 'off' });
    const guessed = await say({ speculation: 'always' });
    expect(guessed.tokens).toEqual(plain.tokens);
    expect(guessed.text).toBe(plain.text);
    expect(plain.usage).not.toHaveProperty('acceptedTokens');
    const { acceptedTokens = 0, draftedTokens = 0 } = guessed.usage;
    expect(acceptedTokens).toBeGreaterThan(0);
    expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
  });

  it('holds a conversation that goes on after wrong guesses', async () => {
    const talk = async (speculation: 'off' | 'always') => {
      const session = await model.createSession({ defaults: { speculation, temperature: 0 } });
      const first = await session.send(`Repeat: ${copying.slice(6, 90)}`, { maxTokens: 16 });
      const second = await session.send('Once more, please.', { maxTokens: 12 });
      await session.close();
      const { promptTokens, completionTokens } = first.usage;
      // Nothing of the first turn is computed again.
      expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(promptTokens + completionTokens - 2);
      return [...first.tokens, ...second.tokens];
    };
    expect(await talk('always')).toEqual(await talk('off'));
  });

  // More rows of logits than sequences, and a step that is too small for them all.
  it('fits steps and contexts of every size', async () => {
    for (const [batchTokens, sequences] of [
      [1, 1],
      [3, 1],
      [32, 1],
      [32, 12],
    ] as const) {
      const small = await engine.open(tinyPath, {
        ...{ contextTokens: 64, sequences, threads: 1, engineOptions: { ...exact, batchTokens } },
      });
      const tokens = [1, 20, 21, 22, 23, 24, 20, 21, 22, 23, 24, 20, 21];
      const say = (speculation: 'off' | 'always') =>
        small.generate({ tokens, temperature: 0, topK: 1, speculation });
      const [plain, guessed] = [await say('off'), await say('always')];
      expect([guessed.tokens, guessed.stopReason]).toEqual([plain.tokens, plain.stopReason]);
      await small.close();
    }
  });

  it('has the rows of guessed tokens in its estimate', async () => {
    const outputBytes = async (batchTokens: number, sequences: number) => {
      const { items } = await engine.estimate(tinyPath, {
        ...{ contextTokens: 64, sequences, engineOptions: { ...exact, batchTokens } },
      });
      return items.find(({ purpose }) => purpose === 'output')?.bytes ?? 0;
    };
    const tiny = await engine.open(tinyPath, { contextTokens: 64 });
    const rowBytes = tiny.tokenizer.vocabularySize * 4;
    // Nine rows, of which two are there for the sequence and for the one that hands caches over.
    expect((await outputBytes(32, 1)) - (await outputBytes(1, 1))).toBe(7 * rowBytes);
    expect((await outputBytes(32, 12)) - (await outputBytes(1, 12))).toBe(0);
    await tiny.close();
  });
});
