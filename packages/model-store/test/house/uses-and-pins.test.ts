import { readdir, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { createModelStore } from '../../src/index.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();

async function setUp(fileSystem: FileSystem = nodeFileSystem) {
  const directory = `${folder.path}/store`;
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(path);
  const model = await createModelStore({ directory }).add(path);
  return { directory, model, store: createModelStore({ directory, fileSystem }) };
}

/** The file whose name says when the one model was used. */
async function markIn(directory: string): Promise<string> {
  const names = await readdir(`${directory}/uses`);
  expect(names).toHaveLength(1);
  return `${directory}/uses/${names[0]}`;
}

function markAt(mark: string, time: Date): string {
  return mark.replace(/~\d+$/, `~${time.getTime()}`);
}

describe('the last use of a model', () => {
  it('is told after it was resolved, by another store too', async () => {
    const { directory, model, store } = await setUp();
    expect(await store.list()).toEqual([model]);
    const before = Date.now();
    expect(await store.resolve('tiny')).toEqual(model);
    const [used] = await createModelStore({ directory }).list();
    expect(used).toEqual({ ...model, lastUsedAt: expect.any(String) as string });
    expect(Date.parse(used?.lastUsedAt ?? '')).toBeGreaterThanOrEqual(before);
  });

  it('is that before the one under way', async () => {
    const { directory, store } = await setUp();
    await store.resolve('tiny');
    const then = new Date('2026-01-02T03:04:05.000Z');
    await rename(await markIn(directory), markAt(await markIn(directory), then));
    expect((await store.resolve('tiny')).lastUsedAt).toBe(then.toISOString());
    expect((await store.resolve('tiny')).lastUsedAt).not.toBe(then.toISOString());
    await markIn(directory);
  });

  it('is the latest that any process noted, of which the next leaves one', async () => {
    const { directory, store } = await setUp();
    await store.resolve('tiny');
    const mark = await markIn(directory);
    const later = new Date(Date.now() + 60_000);
    await writeFile(markAt(mark, later), '');
    expect((await store.list())[0]?.lastUsedAt).toBe(later.toISOString());
    expect((await store.resolve('tiny')).lastUsedAt).toBe(later.toISOString());
    await markIn(directory);
  });

  it('is forgotten with the model', async () => {
    const { directory, model, store } = await setUp();
    await store.resolve('tiny');
    await store.remove('tiny');
    expect(await readdir(`${directory}/uses`)).toEqual([]);
    await store.add(model.files.files[0]!.path);
    expect((await store.list())[0]?.lastUsedAt).toBeUndefined();
  });

  it('costs no record and no sync', async () => {
    const calls: string[] = [];
    const watched: FileSystem = {
      ...nodeFileSystem,
      create: async (path) => {
        calls.push('create');
        const writer = await nodeFileSystem.create(path);
        return { ...writer, sync: () => (calls.push('sync'), writer.sync()) };
      },
      rename: (from, to) => (calls.push('rename'), nodeFileSystem.rename(from, to)),
      syncFolder: (path) => (calls.push('syncFolder'), nodeFileSystem.syncFolder(path)),
    };
    const { directory, model, store } = await setUp(watched);
    await createModelStore({ directory }).resolve('tiny');
    await store.resolve('tiny');
    await store.resolve('tiny');
    expect(calls).toEqual(['rename', 'rename']);
    expect(await createModelStore({ directory }).list()).toMatchObject([model]);
  });

  it('is not kept where nothing can be written, and the model is found all the same', async () => {
    const refuse = () => Promise.reject(Object.assign(new Error('EROFS'), { code: 'EROFS' }));
    const readOnly: FileSystem = {
      ...nodeFileSystem,
      create: refuse,
      makeFolder: refuse,
      rename: refuse,
      remove: refuse,
    };
    const { directory, model, store } = await setUp(readOnly);
    expect(await store.resolve('tiny')).toEqual(model);
    expect(await readdir(directory)).not.toContain('uses');
  });

  it('never follows a link that somebody put in its place', async () => {
    const { directory, store } = await setUp();
    await store.resolve('tiny');
    const mark = await markIn(directory);
    await writeFile(`${folder.path}/precious`, 'precious');
    await unlink(mark);
    await symlink(`${folder.path}/precious`, mark);
    await store.resolve('tiny');
    expect(await readFile(`${folder.path}/precious`, 'utf8')).toBe('precious');
    await markIn(directory);
  });
});

describe('a pin', () => {
  it('is recorded until it is taken back', async () => {
    const { directory, model, store } = await setUp();
    expect(await store.pin('tiny')).toEqual({ ...model, pinned: true });
    expect(await store.pin('tiny')).toEqual({ ...model, pinned: true });
    expect(await createModelStore({ directory }).list()).toEqual([{ ...model, pinned: true }]);
    expect(await store.unpin('tiny')).toEqual(model);
    expect(await createModelStore({ directory }).list()).toEqual([model]);
  });

  it('stays when the model is taken into the store', async () => {
    const { model, store } = await setUp();
    await store.pin('tiny');
    const path = model.files.files[0]!.path;
    expect(await store.add(path, { placement: 'move' })).toMatchObject({
      ownership: 'owned',
      pinned: true,
    });
  });

  it('is of a model of the store', async () => {
    const { store } = await setUp();
    await expect(store.pin('tony')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      details: { nearest: ['tiny'] },
    });
    await expect(store.unpin('../tiny')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
