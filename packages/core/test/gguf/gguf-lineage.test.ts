import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ggufLineage } from '../../src/gguf/gguf-lineage.js';
import { platform as portable } from '../../src/platform/portable.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { tinyVocabulary } from '../tokenizer/vocabularies.js';

const bytes = tinyLlamaGguf();
const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-lineage-'));
  path = join(folder, 'tiny.gguf');
  await writeFile(path, bytes);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('names the file, the architecture and the vocabulary', async () => {
  const { tokens } = await tinyVocabulary();
  expect(await ggufLineage(path)).toEqual({
    sourceSha256: sha256(bytes),
    architecture: 'llama',
    vocabularySha256: sha256(tokens.map((token) => `${token}\0`).join('')),
  });
});

it('takes a sha256 that is known instead of reading the whole file', async () => {
  const known = 'ab'.repeat(32);
  const lineage = await ggufLineage(path, { sha256: known });
  expect(lineage.sourceSha256).toBe(known);
  expect(lineage.vocabularySha256).toBe((await ggufLineage(path)).vocabularySha256);
});

it('differs by one letter of the vocabulary alone', async () => {
  const { tokens } = await tinyVocabulary();
  const other = join(folder, 'other.gguf');
  const changed = tokens.map((token) => (token === '<|im_end|>' ? '<|im_ends>' : token));
  await writeFile(other, tinyLlamaGguf({ metadata: { 'tokenizer.ggml.tokens': changed } }));
  const [first, second] = [await ggufLineage(path), await ggufLineage(other)];
  expect(second.vocabularySha256).not.toBe(first.vocabularySha256);
});

it('has a code for every failure', async () => {
  await expect(ggufLineage(join(folder, 'none.gguf'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
  const broken = join(folder, 'broken.gguf');
  await writeFile(broken, bytes.subarray(0, 3000));
  await expect(ggufLineage(broken)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  await expect(ggufLineage(path, { sha256: 'ABC' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    key: 'options.sha256',
  });
  const reason = new Error('enough');
  await expect(ggufLineage(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

it('is UNSUPPORTED where nothing can be hashed', () => {
  expect(() => portable.createSha256()).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
});
