import { createHash } from 'node:crypto';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import type { StoredModel } from '@mobillm/core';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { StoreLayout } from '../../src/layout.js';
import { fileServers } from '../servers/file-server.js';
import { layerServer } from '../servers/layer-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const modelBytes = tinyLlamaGguf({ seed: 1 }).byteLength;
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const namesIn = async (store: { list(): Promise<readonly StoredModel[]> }) =>
  (await store.list()).map(({ name }) => name);

function setUp(maxBytes?: number) {
  const directory = `${folder.path}/store`;
  const evicted: string[] = [];
  const store = createModelStore({
    directory,
    ...(maxBytes !== undefined && { maxBytes }),
    onEvicted: ({ name }) => evicted.push(name),
  });
  /** Adds a model of the store’s own that was last used on a day of a January to come. */
  const own = async (name: string, seed: number, day: number) => {
    const path = `${folder.path}/${name}.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed }));
    await createModelStore({ directory }).add(path, { placement: 'move' });
    await mkdir(`${directory}/uses`, { recursive: true });
    const stem = new StoreLayout(directory, nodeFileSystem).stem(name);
    await writeFile(`${directory}/uses/${stem}~${Date.UTC(2036, 0, day)}`, '');
  };
  return { directory, store, evicted, own };
}

describe('a pull into a store that is limited', () => {
  const wanted = tinyLlamaGguf({ seed: 9 });

  it('deletes what was used least lately, and no more than it needs', async () => {
    const server = await serve(wanted);
    const { store, own, evicted } = setUp(3 * modelBytes);
    await own('b', 2, 1);
    await own('a', 1, 2);
    await own('c', 3, 3);
    await store.pull(`${server.url}#sha256=${hashOf(wanted)}`, { name: 'wanted' });
    expect(evicted).toEqual(['b']);
    expect(await namesIn(store)).toEqual(['a', 'c', 'wanted']);
  });

  it('does so where the server alone tells the size, before a byte of it is kept', async () => {
    const { store, own, evicted, directory } = setUp(2 * modelBytes);
    const there: string[][] = [];
    const server = await serve(wanted, (_request, _response, number) => {
      if (number > 0 && there.length === 0)
        void readdir(`${directory}/models`).then((names) => there.push(names));
      return false;
    });
    await own('a', 1, 2);
    await own('b', 2, 1);
    await store.pull(server.url, { name: 'wanted' });
    expect(evicted).toEqual(['b']);
    expect(there[0]).toHaveLength(1);
  });

  it('leaves pinned models alone, and says with numbers when that is too much', async () => {
    const server = await serve(wanted);
    const { store, own, evicted } = setUp(2 * modelBytes);
    await own('a', 1, 1);
    await own('b', 2, 2);
    await store.pin('a');
    await store.pull(`${server.url}#sha256=${hashOf(wanted)}`, { name: 'wanted' });
    expect(evicted).toEqual(['b']);
    await store.pin('wanted');
    const other = tinyLlamaGguf({ seed: 8 });
    const further = await serve(other);
    const pulling = store.pull(`${further.url}#sha256=${hashOf(other)}`, { name: 'further' });
    await expect(pulling).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringContaining('Unpin or remove a model') as string,
      details: {
        wantedBytes: modelBytes,
        maxBytes: 2 * modelBytes,
        keptBytes: 2 * modelBytes,
      },
    });
    expect(await namesIn(store)).toEqual(['a', 'wanted']);
    expect(further.sentBytes).toBeLessThan(10);
  });

  it('deletes nothing for a model that can never fit', async () => {
    const server = await serve(wanted);
    const { store, own, evicted } = setUp(modelBytes - 1);
    await own('a', 1, 1);
    const pulling = store.pull(`${server.url}#sha256=${hashOf(wanted)}`);
    await expect(pulling).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringContaining('Raise maxBytes') as string,
    });
    expect(evicted).toEqual([]);
    expect(await namesIn(store)).toEqual(['a']);
  });

  it('takes content that a model has, and lets that model be', async () => {
    const server = await serve(tinyLlamaGguf({ seed: 1 }));
    const { store, own, evicted } = setUp(modelBytes);
    await own('a', 1, 1);
    await store.pull(`${server.url}#sha256=${hashOf(tinyLlamaGguf({ seed: 1 }))}`, {
      name: 'same',
    });
    expect(evicted).toEqual([]);
    expect(await namesIn(store)).toEqual(['a', 'same']);
  });

  it('two that want the same at once need its room once', async () => {
    const server = await serve(wanted);
    const { store, directory } = setUp(modelBytes);
    await using other = createModelStore({ directory, maxBytes: modelBytes });
    const reference = `${server.url}#sha256=${hashOf(wanted)}`;
    await Promise.all([store.pull(reference), other.pull(reference)]);
    expect(await namesIn(store)).toEqual(['model']);
  });

  it('leaves the room alone that another pull under way has claimed', async () => {
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const slow = await serve(wanted, (_request, response, number) => {
      // The first one asks for the size.
      if (number === 0) return false;
      void held.then(() =>
        response.writeHead(200, { 'content-length': wanted.byteLength }).end(wanted),
      );
      return true;
    });
    const { store, own, evicted, directory } = setUp(2 * modelBytes);
    await own('a', 1, 1);
    const first = store.pull(`${slow.url}#sha256=${hashOf(wanted)}`, { name: 'first' });
    await expect.poll(() => slow.ranges.length, { timeout: 10_000 }).toBeGreaterThan(1);
    const path = `${folder.path}/second.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed: 7 }));
    await store.add(path, { placement: 'move' });
    expect(evicted).toEqual(['a']);
    letGo();
    await first;
    expect(await namesIn(createModelStore({ directory }))).toEqual(['first', 'second']);
  });
});

it('content that a pull under way takes stays, whoever prunes', async () => {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const weights = { kind: 'model', bytes: tinyLlamaGguf({ seed: 1 }) };
  const template = { kind: 'template', bytes: new TextEncoder().encode('{{ .Prompt }}') };
  const { host, asked } = await layerServer({ a: [weights, template] }, () => held);
  const { store, own, directory } = setUp();
  await own('a', 1, 1);
  await own('b', 2, 2);
  const pulling = store.pull(`ollama:${host}/team/model:a`, { name: 'pulled' });
  await expect.poll(() => asked.length, { timeout: 10_000 }).toBe(1);
  const { removed } = await createModelStore({ directory }).prune({ maxBytes: 0 });
  expect(removed).toMatchObject([{ kind: 'model', name: 'b' }]);
  letGo();
  await pulling;
  expect(await namesIn(store)).toEqual(['a', 'pulled']);
  expect(await store.verifyAll()).toMatchObject({ ok: true });
  expect(asked).toHaveLength(1);
});

describe('adding to a store that is limited', () => {
  it('makes room for a file that is taken in, and none for one that is linked', async () => {
    const { store, own, evicted } = setUp(modelBytes);
    await own('a', 1, 1);
    const path = `${folder.path}/file.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed: 5 }));
    await store.add(path);
    expect(evicted).toEqual([]);
    await store.add(path, { placement: 'move' });
    expect(evicted).toEqual(['a']);
    expect((await stat(`${folder.path}/store/models`)).isDirectory()).toBe(true);
    expect(await namesIn(store)).toEqual(['file']);
  });
});
