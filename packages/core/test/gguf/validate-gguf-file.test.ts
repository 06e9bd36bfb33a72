import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validateGgufFile } from '../../src/gguf/validate-gguf-file.js';
import { tinyLlamaGguf, writeTinyLlamaGguf } from '../../src/testing/tiny-llama.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-gguf-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('a file of this device is validated', async () => {
  const path = join(folder, 'tiny.gguf');
  await writeTinyLlamaGguf(path);
  const layout = await validateGgufFile(path);
  expect(layout.byteLength).toBe(tinyLlamaGguf().byteLength);
  expect(layout.tensors).toHaveLength(21);
});

it('a missing file and a folder are FILE_NOT_FOUND', async () => {
  await expect(validateGgufFile(join(folder, 'none.gguf'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    details: { path: join(folder, 'none.gguf'), errno: 'ENOENT' },
  });
  await expect(validateGgufFile(folder)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    details: { path: folder, errno: 'EISDIR' },
  });
});

it('a wrong path or option is a wrong call, and names what is wrong', async () => {
  await expect(validateGgufFile(5 as unknown as string)).rejects.toMatchObject({
    name: 'TypeError',
    code: 'INVALID_ARGUMENT',
    key: 'path',
  });
  await expect(validateGgufFile('')).rejects.toMatchObject({
    name: 'RangeError',
    code: 'INVALID_ARGUMENT',
    key: 'path',
  });
  const missing = join(folder, 'none.gguf');
  await expect(validateGgufFile(missing, { sgnal: 1 } as object)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    key: 'options.sgnal',
  });
});

it('an empty file is MODEL_INVALID', async () => {
  const path = join(folder, 'empty.gguf');
  await writeFile(path, '');
  await expect(validateGgufFile(path)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
});

it('the same seed gives the same bytes, and another seed others', () => {
  const bytes = (seed: number) => Buffer.from(tinyLlamaGguf({ seed }));
  expect(bytes(7).equals(bytes(7))).toBe(true);
  expect(bytes(7).equals(bytes(8))).toBe(false);
  expect(tinyLlamaGguf().byteLength).toBeLessThan(1_000_000);
});
