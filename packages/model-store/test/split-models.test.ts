import { readdir, rm, writeFile } from 'node:fs/promises';
import { writeGguf, type GgufWriterValue } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { createModelStore } from '../src/index.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();
const u16 = (value: number) => ({ type: 'uint16', value }) as const;
const u32 = (value: number) => ({ type: 'uint32', value }) as const;

/** Writes a part of a model in three files, each with one tensor of 64 bytes. */
async function writePart(part: number, more: Record<string, GgufWriterValue | undefined> = {}) {
  const path = `${folder.path}/big-0000${part}-of-00003.gguf`;
  const first: Record<string, GgufWriterValue> = {
    'general.architecture': 'llama',
    'llama.block_count': u32(1),
    'llama.embedding_length': u32(16),
    'llama.context_length': u32(128),
    'llama.attention.head_count': u32(2),
    'llama.vocab_size': u32(1),
  };
  const bytes = writeGguf({
    metadata: {
      ...(part === 1 ? first : {}),
      'split.no': u16(part - 1),
      'split.count': u16(3),
      'split.tensors.count': { type: 'int32', value: 3 },
      ...more,
    },
    tensors: [{ name: `t${part}`, type: 'F32', shape: [16], data: new Uint8Array(64).fill(part) }],
  });
  await writeFile(path, bytes);
  return path;
}

const open = () => createModelStore({ directory: `${folder.path}/store` });

it('a model in several files is one model', async () => {
  const paths = [await writePart(1), await writePart(2), await writePart(3)];
  const store = open();
  const model = await store.add(paths[0] ?? '');
  expect(model.name).toBe('big');
  expect(model.files.files.map(({ path }) => path)).toEqual(paths);
  expect(model.description).toMatchObject({ parameterCount: 48, weightBytes: 192, layers: 1 });
  expect(await store.verify('big')).toMatchObject({ ok: true, files: [{}, {}, {}] });
});

it('all its files move, and are removed', async () => {
  const paths = [await writePart(1), await writePart(2), await writePart(3)];
  const store = open();
  const model = await store.add(paths[0] ?? '', { placement: 'move' });
  expect((await readdir(folder.path)).filter((name) => name.endsWith('.gguf'))).toEqual([]);
  expect(await store.verify('big')).toMatchObject({ ok: true });
  await store.remove('big');
  expect(await readdir(`${folder.path}/store/models`)).toEqual([]);
  expect(model.files.files).toHaveLength(3);
});

it('a part that is missing is named', async () => {
  const [first, second] = [await writePart(1), await writePart(2), await writePart(3)];
  await rm(second);
  await expect(open().add(first)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    details: { path: second },
  });
});

it('a part of another place, a wrong count and a later part are MODEL_INVALID', async () => {
  const store = open();
  const first = await writePart(1);
  await writePart(3);
  const second = await writePart(2, { 'split.no': u16(2) });
  await expect(store.add(first)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  await writePart(2);
  await expect(store.add(second)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringContaining(first) as string,
  });
  await writePart(1, { 'split.tensors.count': { type: 'int32', value: 4 } });
  await expect(store.add(first)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  expect(await store.list()).toEqual([]);
});

it('files that are no language model are refused', async () => {
  const path = `${folder.path}/odd.gguf`;
  const store = open();
  await writeFile(path, writeGguf({ metadata: { 'general.architecture': 'clip' } }));
  await expect(store.add(path)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  await writeFile(
    path,
    writeGguf({ metadata: { 'general.architecture': 'llama', 'general.type': 'adapter' } }),
  );
  await expect(store.add(path)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  await writeFile(path, writeGguf({ metadata: { 'general.architecture': 'llama' } }));
  await expect(store.add(path)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    details: { key: 'llama.block_count' },
  });
  await writeFile(path, writeGguf({}));
  await expect(store.add(path)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    details: { key: 'general.architecture' },
  });
});
