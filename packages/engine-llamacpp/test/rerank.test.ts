import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type Engine, type Model } from '@mobillm/core';
import { rejection, tinyBert } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { bertForward, bertScore } from './support/bert-forward.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const bert = tinyBert({ ranks: true });
const path = join(folder, 'ranks.gguf');
writeFileSync(path, bert.gguf);
const template = '[CLS]query: {query}[SEP]document: {document}[SEP]';
const templatePath = join(folder, 'template.gguf');
writeFileSync(
  templatePath,
  tinyBert({ ranks: true, metadata: { 'tokenizer.chat_template.rerank': template } }).gguf,
);

describe('scores of documents', () => {
  let engine: Engine;
  let model: Model;
  beforeAll(async () => {
    engine = createEngine(await createLlamaCppDriver());
    model = await engine.open(path, { threads: 1, engineOptions: { flashAttention: 'off' } });
  });
  afterAll(() => engine.close());

  const query = 'the cat';
  const documents = ['sun', 'the cat sat on the mat', 'the moon, the sun', ''];
  const [cls, sep] = [2, 3];
  const expected = (before: string, after: string, of: Model) =>
    documents
      .map((document, index) => {
        const [a, b] = [before + query, after + document].map((text) => of.tokenizer.encode(text));
        return { index, score: bertScore(bert, bertForward(bert, [cls, ...a!, sep, ...b!, sep])) };
      })
      .sort((a, b) => b.score - a.score);

  it('are those that the published formulas give, best first', async () => {
    expect(model.info.tasks).toEqual(['embed', 'rerank']);
    const results = await model.rerank(query, documents);
    const wanted = expected('', '', model);
    expect(results.map(({ index }) => index)).toEqual(wanted.map(({ index }) => index));
    for (const [place, { score }] of results.entries()) {
      expect(Math.abs(score - wanted[place]!.score)).toBeLessThan(0.02);
    }
    expect(await model.rerank(query, documents, { topN: 2 })).toEqual(results.slice(0, 2));
  });

  it("follow the file's own template, in which texts stay text", async () => {
    const other = await engine.open(templatePath, {
      threads: 1,
      engineOptions: { flashAttention: 'off' },
    });
    const results = await other.rerank(query, documents);
    const wanted = expected('query: ', 'document: ', other);
    expect(results.map(({ index }) => index)).toEqual(wanted.map(({ index }) => index));
    for (const [place, { score }] of results.entries()) {
      expect(Math.abs(score - wanted[place]!.score)).toBeLessThan(0.02);
    }
    const spelled = await other.rerank('{document} [SEP]', ['sun']);
    expect(spelled).not.toEqual(await other.rerank('sun ', ['sun']));
    await other.close();
  });

  it('go beside vectors of the same model', async () => {
    const vectors = await model.embed(documents);
    await model.rerank(query, documents);
    expect(await model.embed(documents)).toEqual(vectors);
  });

  it('are refused by a model without a head, with a sentence', async () => {
    const tiny = await engine.open(await writeTinyModel(folder), { contextTokens: 128 });
    expect(await rejection(tiny.rerank('a', ['b']))).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('cls.output.weight') as string,
    });
    await tiny.close();
  });
});
