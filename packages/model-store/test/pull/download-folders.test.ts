import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');

it('no folder of a download is left once its model is there', async () => {
  const server = await serve(model);
  await using store = createModelStore({ directory: `${folder.path}/store` });
  await store.pull(`${server.url}#sha256=${sha256}`);
  expect(await readdir(`${folder.path}/store/downloads`)).toEqual([]);
});

it('one that goes while another pull is about to take its lock is made again', async () => {
  const server = await serve(model);
  const directory = `${folder.path}/store`;
  const downloads = `${directory}/downloads`;
  let removals = 0;
  const meddling: FileSystem = {
    ...nodeFileSystem,
    rename: async (from, to) => {
      // What the release of a lock by another process does, at the worst moment, a few times.
      if (to.startsWith(downloads) && to.endsWith('/lock') && removals < 3) {
        removals++;
        await nodeFileSystem.removeFolder(to.slice(0, -'/lock'.length));
      }
      return nodeFileSystem.rename(from, to);
    },
  };
  await using store = createModelStore({ directory, fileSystem: meddling });
  const pulled = await store.pull(`${server.url}#sha256=${sha256}`);
  expect(removals).toBe(3);
  expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  expect(await readdir(downloads)).toEqual([]);
});

it('several that want the same again and again never stumble over its folder', async () => {
  const server = await serve(model);
  const directory = `${folder.path}/store`;
  for (let round = 0; round < 10; round++) {
    const stores = [0, 1, 2].map(() => createModelStore({ directory }));
    const models = await Promise.all(
      stores.map((store, index) =>
        store.pull(`${server.url}#sha256=${sha256}`, { name: index === 2 ? 'other' : 'same' }),
      ),
    );
    expect(models.map(({ name }) => name)).toEqual(['same', 'same', 'other']);
    expect(await readdir(`${directory}/downloads`)).toEqual([]);
    for (const name of ['same', 'other']) await stores[0]!.remove(name);
    await Promise.all(stores.map((store) => store.close()));
  }
});
