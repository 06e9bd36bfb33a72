import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type Engine, type EngineDriver, type Model } from '@mobillm/core';
import { rejection, tinyBert, type TinyBertOptions } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { bertForward, meanOf } from './support/bert-forward.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off' } as const;
const texts = [
  'the cat sat on the mat.',
  'sun',
  'the moon, the sun and the cat: all sat on 1 mat!',
  '',
];

function writeBert(name: string, options: TinyBertOptions = {}) {
  const bert = tinyBert(options);
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, bert.gguf);
  return { bert, path };
}

describe('vectors of texts', () => {
  let driver: EngineDriver;
  let engine: Engine;
  beforeAll(async () => {
    driver = await createLlamaCppDriver();
    engine = createEngine(driver);
  });
  afterAll(() => engine.close());
  const open = (path: string, own: object = {}): Promise<Model> =>
    engine.open(path, { threads: 1, engineOptions: exact, ...own });

  describe.each(['bert', 'nomic-bert'] as const)(
    'of a model of the architecture %s',
    (architecture) => {
      const { bert, path } = writeBert(architecture, { architecture });
      let model: Model;
      beforeAll(async () => {
        model = await open(path);
      });
      afterAll(() => model.close());

      const rowsOf = (text: string) =>
        bertForward(bert, model.tokenizer.encode(text, { addSpecial: true }));

      it('are those that the published formulas give, however they are pooled', async () => {
        const pick = { mean: meanOf, cls: first, last } as const;
        for (const pooling of ['mean', 'cls', 'last'] as const) {
          const vectors = await model.embed(texts, { pooling, normalize: 'none' });
          for (const [index, vector] of vectors.entries()) {
            // ggml looks its GELU up in a table of 16-bit numbers.
            expect(largestDifference(vector, pick[pooling](rowsOf(texts[index]!)))).toBeLessThan(
              0.01,
            );
          }
        }
      });

      it('are pooled as the file says and have length 1 by default', async () => {
        expect(model.info.tasks).toEqual(['embed']);
        expect(model.info.embedding).toEqual({ length: 64, pooling: 'mean' });
        const vectors = await model.embed(texts);
        const plain = await model.embed(texts, { pooling: 'mean', normalize: 'none' });
        for (const [index, vector] of vectors.entries()) {
          expect(lengthOf(vector)).toBeCloseTo(1, 5);
          const length = lengthOf(plain[index]!);
          expect(
            largestDifference(
              vector,
              [...plain[index]!].map((x) => x / length),
            ),
          ).toBeLessThan(1e-6);
        }
      });

      it('of a text of the whole context are there, and longer ones only where asked for', async () => {
        const long = 'a '.repeat(model.contextTokens);
        const fits = 'a '.repeat(model.contextTokens - 2);
        expect(await rejection(model.embed(['sun', long]))).toMatchObject({
          code: 'CONTEXT_FULL',
          details: {
            textIndex: 1,
            promptTokens: model.contextTokens + 2,
            contextTokens: model.contextTokens,
          },
        });
        const [cut] = await model.embed([long], { truncate: 'end' });
        const [whole] = await model.embed([fits]);
        // The token that ends every text stays.
        expect(cut).toEqual(whole);
      });

      it('is not asked to generate', async () => {
        for (const call of [
          () => model.createSession(),
          () => model.generate({ prompt: 'the cat', maxTokens: 1 }),
        ]) {
          expect(await rejection(call())).toMatchObject({
            code: 'UNSUPPORTED',
            message: expect.stringContaining('does not generate') as string,
          });
        }
      });

      it('needs no cache, and its estimate says so', async () => {
        const estimate = await engine.estimate(path, { engineOptions: exact });
        const bytes = Object.fromEntries(estimate.items.map((item) => [item.purpose, item.bytes]));
        expect(bytes['kv-cache']).toBe(0);
        expect(bytes['compute']).toBeGreaterThan(0);
        const rows = 192 * (model.tokenizer.vocabularySize + 64) * 4;
        expect(bytes['output']).toBeGreaterThanOrEqual(rows);
        expect(estimate.method).toBe('exact');
      });
    },
  );

  describe('of a model that generates', () => {
    let model: Model;
    beforeAll(async () => {
      model = await open(await writeTinyModel(folder), { contextTokens: 512 });
    });
    afterAll(() => model.close());

    it('are the same for a long text in any steps', async () => {
      const long = 'Once upon a time there was a cat on a mat. '.repeat(9);
      expect(model.tokenizer.encode(long).length).toBeGreaterThan(300);
      const path = await writeTinyModel(folder);
      for (const pooling of ['mean', 'cls', 'last'] as const) {
        const [whole] = await model.embed([long], { pooling });
        const other = await open(path, {
          contextTokens: 512,
          engineOptions: { ...exact, batchTokens: 7 },
        });
        const [pieces] = await other.embed([long], { pooling });
        await other.close();
        expect(largestDifference(pieces!, [...whole!])).toBeLessThan(1e-4);
      }
    });

    it('change nothing of what it says meanwhile', async () => {
      const prompt = 'Once upon a time';
      const options = { prompt, maxTokens: 40, temperature: 0 } as const;
      const alone = await model.generate(options);
      const many = Array.from({ length: 40 }, (_, index) => `text ${index} of many texts`);
      const [beside, vectors] = await Promise.all([model.generate(options), model.embed(many)]);
      expect(beside.tokens).toEqual(alone.tokens);
      const [last] = await model.embed([many[39]!]);
      expect(largestDifference(vectors[39]!, [...last!])).toBeLessThan(1e-5);
    });

    it('come in turns, and one that is given up disturbs no other', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const waits = new AbortController();
      const text = 'word '.repeat(80);
      const jobs = [
        model.embed([text]),
        model.embed([text, text, text], {
          signal: abort.signal,
          onProgress: () => abort.abort(reason),
        }),
        model.embed([text], { signal: waits.signal }),
        model.embed([text]),
      ];
      waits.abort(reason);
      const [before, ended, waited, after] = await Promise.allSettled(jobs);
      expect(ended).toEqual({ status: 'rejected', reason });
      expect(waited).toEqual({ status: 'rejected', reason });
      expect(before?.status).toBe('fulfilled');
      expect(after).toEqual(before);
    });

    it('end with CLOSED when the model is closed', async () => {
      const other = await open(await writeTinyModel(folder), { contextTokens: 512 });
      const texts = Array.from({ length: 64 }, () => 'word '.repeat(90));
      const jobs = [other.embed(texts), other.embed(texts)].map(rejection);
      await other.close();
      for (const error of await Promise.all(jobs)) expect(error).toMatchObject({ code: 'CLOSED' });
    });

    it('have room in the estimate where it is asked for', async () => {
      const path = await writeTinyModel(folder);
      const total = async (embedTokens: number) =>
        (
          await engine.estimate(path, {
            contextTokens: 512,
            engineOptions: { ...exact, embedTokens },
          })
        ).totalBytes;
      const kvBytes = 256 * 2 * 2 * 2 * 16 * 4;
      expect((await total(256)) - (await total(0))).toBeGreaterThan(kvBytes);
    });
  });

  it('refuse wrong calls by name', async () => {
    const model = await open(writeBert('named').path);
    const calls = {
      pooling: () => model.embed(['a'], { pooling: 'max' as never }),
      normalize: () => model.embed(['a'], { normalize: 'l1' as never }),
      truncate: () => model.embed(['a'], { truncate: 'start' as never }),
      'texts[1]': () => model.embed(['a', 5 as never]),
    };
    for (const [key, call] of Object.entries(calls)) {
      expect(await rejection(call())).toMatchObject({ code: 'INVALID_ARGUMENT', key });
    }
    expect(await model.embed([])).toEqual([]);
    await model.close();
  });

  it.each([
    ['bert.attention.key_length', 12],
    ['bert.attention.head_count', 5],
    ['bert.embedding_length_out', 4096],
    ['tokenizer.ggml.token_type_count', 0],
  ])('refuse a file whose %s is %i, before the library sees it', async (key, value) => {
    const { path } = writeBert('odd', { metadata: { [key]: { type: 'uint32', value } } });
    expect(await rejection(open(path))).toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('take a pooling that the library does not know for none', async () => {
    const { path } = writeBert('pooling', {
      metadata: { 'bert.pooling_type': { type: 'uint32', value: 77 } },
    });
    const model = await open(path);
    expect(model.info.embedding?.pooling).toBeUndefined();
    expect(await model.embed(['sun'])).toEqual(await model.embed(['sun'], { pooling: 'mean' }));
    await model.close();
  });
});

function first<T>(rows: readonly T[]): T {
  return rows[0]!;
}

function last<T>(rows: readonly T[]): T {
  return rows.at(-1)!;
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, number) => sum + number * number, 0));
}

function largestDifference(vector: Float32Array, expected: readonly number[]): number {
  expect(vector.length).toBe(expected.length);
  return Math.max(...expected.map((number, k) => Math.abs(number - vector[k]!)));
}
