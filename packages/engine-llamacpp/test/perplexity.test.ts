import { type EngineDriver, MobillmError } from '@mobillm/core';
import { drive, rejection, tinyBert } from '@mobillm/core/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver, measurePerplexity } from '../src/index.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

/** Rounds alike, whatever the shape of a step. */
const exact = {
  keyType: 'f32',
  valueType: 'f32',
  flashAttention: 'off',
  batchTokens: 32,
} as const;

const text = 'The heat of the sun is in the stones, and the stones are in the thin air. '.repeat(2);

describe('perplexity', () => {
  const folder = temporaryFolder();
  let driver: EngineDriver;
  let path: string;
  let pathWithBos: string;

  beforeAll(async () => {
    driver = await createLlamaCppDriver();
    path = await writeTinyModel(folder);
    pathWithBos = await writeTinyModel(folder, {
      metadata: { 'tokenizer.ggml.add_bos_token': true },
    });
  });
  afterAll(() => driver.close?.());

  /**
   * ln of the probability of the last token after all before it, from the logits of a sequence that read
   * them one by one: none of the code that is tested.
   */
  const logProbs = async (model: string, tokens: readonly number[]): Promise<number[]> => {
    const opened = await driver.open(filesOf(model), {
      ...{ contextTokens: 256, sequences: 1, threads: 1 },
      engineOptions: { ...exact },
    });
    const sequence = await opened.createSequence();
    const found: number[] = [];
    for (const [index, token] of tokens.slice(0, -1).entries()) {
      await drive(sequence, [token], { maxTokens: 0, keepLogits: true });
      const { nextLogits } = await sequence.exportKv!({ fromToken: sequence.tokenCount });
      const logits = Array.from(nextLogits!);
      const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      found.push(logits[tokens[index + 1]!]! - total);
    }
    await opened.close();
    return found;
  };

  const tokensOf = async (model: string): Promise<{ tokens: number[]; bos: number[] }> => {
    const opened = await driver.open(filesOf(model), {
      ...{ contextTokens: 256, sequences: 1, threads: 1 },
      engineOptions: {},
    });
    const tokens = opened.tokenizer.encode(text);
    const { addsBosToken, bosToken } = opened.tokenizer;
    await opened.close();
    return { tokens, bos: addsBosToken ? [bosToken!] : [] };
  };

  const mean = (numbers: readonly number[]) =>
    numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

  it('of one window is that of the logits of a sequence, token by token', async () => {
    const { tokens } = await tokensOf(path);
    const expected = await logProbs(path, tokens);
    const report = await measurePerplexity(path, text, { threads: 1, engineOptions: exact });
    expect(report).toMatchObject({
      ...{ textTokens: tokens.length, scoredTokens: tokens.length - 1 },
      ...{ windowTokens: 512, strideTokens: 256 },
    });
    expect(report.perplexity).toBeCloseTo(Math.exp(-mean(expected)), 2);
    expect(report.logLikelihood / report.scoredTokens).toBeCloseTo(mean(expected), 6);
    const squares = expected.map((number) => (number - mean(expected)) ** 2);
    expect(report.logError).toBeCloseTo(Math.sqrt(mean(squares) / (expected.length - 1)), 6);
  });

  it('scores every token once, each with what the stride leaves before it', async () => {
    for (const model of [path, pathWithBos]) {
      const { tokens, bos } = await tokensOf(model);
      const [windowTokens, strideTokens] = [24, 9];
      // Written down from the docstring, not from the code.
      const expected: number[] = [];
      for (let done = 0; done < tokens.length;) {
        const end = Math.min(tokens.length, done === 0 ? windowTokens - bos.length : done + 9);
        const begin = Math.max(0, end - (windowTokens - bos.length));
        const all = await logProbs(model, [...bos, ...tokens.slice(begin, end)]);
        expected.push(...all.slice(-(end - done)));
        done = end;
      }
      const report = await measurePerplexity(model, text, {
        ...{ threads: 1, windowTokens, strideTokens, engineOptions: exact },
      });
      expect(report.scoredTokens).toBe(tokens.length - 1 + bos.length);
      expect(report.logLikelihood).toBeCloseTo(
        expected.reduce((sum, number) => sum + number, 0),
        3,
      );
    }
  });

  it('tells its progress up to the end, and stops by its signal', async () => {
    const shares: number[] = [];
    const options = { threads: 1, windowTokens: 16, strideTokens: 4 };
    await measurePerplexity(path, text, { ...options, onProgress: (share) => shares.push(share) });
    expect(shares.length).toBeGreaterThan(10);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);

    const stop = new AbortController();
    const reason = new Error('enough');
    const stopped = measurePerplexity(path, text, {
      ...{ ...options, signal: stop.signal },
      onProgress: () => stop.abort(reason),
    });
    expect(await rejection(stopped)).toBe(reason);
    const thrown = new Error('thrown by the caller');
    const threw = measurePerplexity(path, text, {
      ...options,
      onProgress: () => {
        throw thrown;
      },
    });
    expect(await rejection(threw)).toBe(thrown);
  });

  it('refuses what it cannot measure, with a code or the key at fault', async () => {
    const bert = join(folder, 'bert.gguf');
    writeFileSync(bert, tinyBert().gguf);
    expect(await rejection(measurePerplexity(bert, text))).toMatchObject({ code: 'UNSUPPORTED' });
    const none = join(folder, 'none.gguf');
    expect(await rejection(measurePerplexity(none, text))).toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    writeFileSync(none, 'This is no model.');
    expect(await rejection(measurePerplexity(none, text))).toMatchObject({ code: 'MODEL_INVALID' });
    for (const [key, bad] of [
      ['text', ['']],
      ['text', ['a']],
      ['text', [7]],
      ['windowTokens', [text, { windowTokens: 4096 }]],
      ['windowTokens', [text, { windowTokens: 1 }]],
      ['strideTokens', [text, { windowTokens: 16, strideTokens: 16 }]],
      ['engineOptions.gpuLayers', [text, { engineOptions: { gpuLayers: 1 } }]],
      ['stride', [text, { stride: 1 }]],
    ] as const) {
      const error = await rejection(
        measurePerplexity(
          path,
          ...(bad as unknown as Parameters<typeof measurePerplexity> extends [
            unknown,
            ...infer Rest,
          ]
            ? Rest
            : never),
        ),
      );
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', key });
      expect(MobillmError.is(error)).toBe(false);
    }
  });
});
