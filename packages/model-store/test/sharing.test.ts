import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../src/file-system/node.js';
import type { FileSystem } from '../src/file-system/file-system.js';
import { createModelStore } from '../src/index.js';
import { withoutLinks } from './faulty-file-system.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();

/** An empty store, what it told of problems, and a model file beside it. */
async function setUp(fileSystem: FileSystem = nodeFileSystem) {
  const directory = `${folder.path}/store`;
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(path);
  const problems: Error[] = [];
  const onProblem = (error: Error) => problems.push(error);
  const store = createModelStore({ directory, fileSystem, onProblem });
  /** Checks that each of these models is whole. */
  const expectWhole = async (...names: string[]) => {
    for (const name of names) {
      await store.resolve(name);
      expect(await store.verify(name), name).toMatchObject({ ok: true });
    }
  };
  return { directory, path, store, problems, expectWhole };
}

const fileOf = (model: { readonly files: { readonly files: readonly { path: string }[] } }) =>
  model.files.files[0]?.path ?? '';

const fileSystems: [string, FileSystem][] = [
  ['with second names', nodeFileSystem],
  ['without second names', withoutLinks(nodeFileSystem)],
];

describe.each(fileSystems)('a file that two models use, %s', (_, fileSystem) => {
  it('stays when it is moved and another model links it', async () => {
    const { store, path, expectWhole } = await setUp(fileSystem);
    await store.add(path, { name: 'linked' });
    const moved = await store.add(path, { name: 'moved', placement: 'move' });
    expect(moved.ownership).toBe('owned');
    expect(fileOf(await store.resolve('linked'))).toBe(path);
    await expectWhole('linked', 'moved');
    await store.remove('moved');
    await expectWhole('linked');
  });

  it.each(['move', 'link'] as const)(
    'that another model owns is taken in by "%s" and outlives its first owner',
    async (placement) => {
      const { store, path, directory, expectWhole } = await setUp(fileSystem);
      const first = await store.add(path, { name: 'first', placement: 'move' });
      const second = await store.add(fileOf(first), { name: 'second', placement });
      expect(second.ownership).toBe('owned');
      expect(fileOf(second)).not.toBe(fileOf(first));
      await expectWhole('first', 'second');
      await store.remove('first');
      await expectWhole('second');
      await store.remove('second');
      expect(await readdir(`${directory}/models`)).toEqual([]);
    },
  );

  it('becomes the store’s own when it is linked and moved under the same name', async () => {
    const { store, path, expectWhole } = await setUp(fileSystem);
    await store.add(path, { name: 'tiny' });
    const model = await store.add(path, { name: 'tiny', placement: 'move' });
    expect(model.ownership).toBe('owned');
    expect(existsSync(path)).toBe(false);
    expect(await store.list()).toEqual([model]);
    await expectWhole('tiny');
  });
});

describe('what names a file', () => {
  it('is a link of another model to it, too', async () => {
    const { store, path, expectWhole } = await setUp();
    await symlink(path, `${folder.path}/link.gguf`);
    await store.add(`${folder.path}/link.gguf`, { name: 'linked' });
    await store.add(path, { name: 'moved', placement: 'move' });
    await expectWhole('linked', 'moved');
  });

  it('is another path to its folder, too', async () => {
    const { store, path, expectWhole } = await setUp();
    await store.add(path, { name: 'linked' });
    await symlink(folder.path, `${folder.path}/again`);
    await store.add(`${folder.path}/again/tiny.gguf`, { name: 'moved', placement: 'move' });
    await expectWhole('linked', 'moved');
  });

  it('is a link to it that is moved: both stay', async () => {
    const { store, path, expectWhole } = await setUp();
    await store.add(path, { name: 'linked' });
    await symlink(path, `${folder.path}/link.gguf`);
    const moved = await store.add(`${folder.path}/link.gguf`, { name: 'moved', placement: 'move' });
    expect(moved.ownership).toBe('owned');
    await expectWhole('linked', 'moved');
  });

  it('may be a record that cannot be read, so the file stays and the record is told', async () => {
    const { store, path, directory, problems, expectWhole } = await setUp();
    await store.add(path, { name: 'later' });
    const [record = ''] = await readdir(`${directory}/manifests`);
    await writeFile(`${directory}/manifests/${record}`, '{"schema": 2}');
    await store.add(path, { name: 'moved', placement: 'move' });
    expect(existsSync(path)).toBe(true);
    expect(problems).toMatchObject([{ code: 'MODEL_INVALID' }]);
    await expectWhole('moved');
  });
});

describe('linking through a link into the store', () => {
  it('takes the file in, and the link stays', async () => {
    const { store, path, expectWhole } = await setUp();
    const first = await store.add(path, { name: 'first', placement: 'move' });
    await symlink(fileOf(first), path);
    const second = await store.add(path, { name: 'second' });
    expect(second.ownership).toBe('owned');
    expect(existsSync(path)).toBe(true);
    await store.remove('first');
    await expectWhole('second');
  });

  it('a file beside the store’s own is linked where it lies', async () => {
    const { store, path, directory } = await setUp();
    await mkdir(`${directory}/models`, { recursive: true });
    await rename(path, `${directory}/models/tiny.gguf`);
    const model = await store.add(`${directory}/models/tiny.gguf`);
    expect(model).toMatchObject({ name: 'tiny', ownership: 'linked' });
    expect(fileOf(model)).toBe(`${directory}/models/tiny.gguf`);
  });
});

describe('a linked model that is moved under its name', () => {
  it('leaves a file alone that was linked at another place', async () => {
    const { store, path, expectWhole } = await setUp();
    const copy = `${folder.path}/copy.gguf`;
    await writeTinyLlamaGguf(copy);
    await store.add(path, { name: 'tiny' });
    await store.add(copy, { name: 'tiny', placement: 'move' });
    expect([existsSync(path), existsSync(copy)]).toEqual([true, false]);
    await expectWhole('tiny');
  });

  it('stays linked when the new record cannot be written, and nothing is left of the try', async () => {
    const { store, path, directory, expectWhole } = await setUp();
    const linked = await store.add(path, { name: 'tiny' });
    const full: FileSystem = {
      ...nodeFileSystem,
      rename: (from, to) =>
        to.endsWith('.json')
          ? Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
          : nodeFileSystem.rename(from, to),
    };
    await expect(
      createModelStore({ directory, fileSystem: full }).add(path, {
        name: 'tiny',
        placement: 'move',
      }),
    ).rejects.toMatchObject({ code: 'IO_FAILED', details: { errno: 'ENOSPC' } });
    expect(await store.list()).toEqual([linked]);
    expect(await readdir(`${directory}/models`)).toEqual([]);
    await expectWhole('tiny');
  });
});

it('a file that is moved away while another call links it is not recorded', async () => {
  const { store, path, directory } = await setUp();
  let taken = false;
  const slow: FileSystem = {
    ...nodeFileSystem,
    // The last thing before the lock is taken.
    rename: async (from, to) => {
      if (to.endsWith('/lock') && !taken) {
        taken = true;
        await store.add(path, { name: 'moved', placement: 'move' });
      }
      return nodeFileSystem.rename(from, to);
    },
  };
  const linking = createModelStore({ directory, fileSystem: slow });
  await expect(linking.add(path, { name: 'linked' })).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    details: { path },
  });
  expect((await store.list()).map(({ name }) => name)).toEqual(['moved']);
});

it('a link in the place of a model’s folder is deleted and never followed', async () => {
  const { store, path, directory } = await setUp();
  const model = await store.add(path, { name: 'tiny', placement: 'move' });
  const own = fileOf(model).slice(0, fileOf(model).lastIndexOf('/'));
  const victim = `${folder.path}/victim`;
  await mkdir(victim);
  await writeFile(`${victim}/precious`, '');
  await unlink(fileOf(model));
  await nodeFileSystem.removeFolder(own);
  await symlink(victim, own);
  // A link in a folder that may not be changed cannot be deleted either.
  const guarded: FileSystem = {
    ...nodeFileSystem,
    remove: (target) =>
      target === own
        ? Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
        : nodeFileSystem.remove(target),
  };
  await expect(
    createModelStore({ directory, fileSystem: guarded }).remove('tiny'),
  ).rejects.toMatchObject({ code: 'IO_FAILED', details: { errno: 'EACCES' } });
  expect(await readdir(victim)).toEqual(['precious']);
});
