import { existsSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { StoreLayout } from '../../src/layout.js';
import { deadProcessName } from '../faulty-file-system.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const modelBytes = tinyLlamaGguf({ seed: 1 }).byteLength;
const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 60 * 60 * 1000);

function setUp() {
  const directory = `${folder.path}/store`;
  const problems: Error[] = [];
  const store = createModelStore({ directory, onProblem: (error) => problems.push(error) });
  const layout = new StoreLayout(directory, nodeFileSystem);
  const own = async (name: string, seed: number, placement: 'move' | 'link' = 'move') => {
    const path = `${folder.path}/${name}.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed }));
    return store.add(path, { placement });
  };
  const names = async () => (await store.list()).map(({ name }) => name);
  return { directory, store, layout, own, problems, names };
}

/** A store that has one of everything that is to be cleared, and what is not. */
async function messy() {
  const found = setUp();
  const { directory, own, layout } = found;
  await own('kept', 1);
  const dead = `temporary/${deadProcessName(nodeFileSystem)}~x-0`;
  const alive = `temporary/${nodeFileSystem.processName()}~another-0`;
  const left = layout.ownedFolder('nobody');
  const old = `downloads/${'a'.repeat(64)}`;
  const young = `downloads/${'b'.repeat(64)}`;
  const busy = `downloads/${'c'.repeat(64)}`;
  const empty = `downloads/${'d'.repeat(64)}`;
  for (const path of [dead, alive, left, old, young, `${busy}/lock`, empty, 'models/of-a-user']) {
    await mkdir(`${directory}/${path}`, { recursive: true });
  }
  for (const path of [dead, alive, left, old, young, busy, 'models/of-a-user']) {
    await writeFile(`${directory}/${path}/content`, 'x'.repeat(1000));
  }
  await writeFile(`${directory}/${busy}/lock/${nodeFileSystem.processName()}~another-0`, '');
  for (const path of [old, busy])
    await utimes(`${directory}/${path}/content`, daysAgo(8), daysAgo(8));
  return { ...found, dead, alive, left, old, young, busy, empty };
}

describe('pruning', () => {
  it('clears what dead processes left, downloads that were given up, and what no record names', async () => {
    const { directory, store, dead, alive, left, old, young, busy, empty, names } = await messy();
    const items = [
      { kind: 'temporary', name: dead, freedBytes: 1000 },
      { kind: 'download', name: old, freedBytes: 1000 },
      { kind: 'leftover', name: left, freedBytes: 1000 },
    ];
    const wanted = { removed: items, freedBytes: 3000, ownedBytes: modelBytes };
    const before = await readdir(directory, { recursive: true });
    expect(await store.prune({ dryRun: true })).toMatchObject({ ...wanted, dryRun: true });
    expect(await readdir(directory, { recursive: true })).toEqual(before);

    expect(await store.prune()).toMatchObject({ ...wanted, dryRun: false });
    for (const path of [dead, left, old, empty])
      expect(existsSync(`${directory}/${path}`)).toBe(false);
    for (const path of [alive, young, busy, 'models/of-a-user']) {
      expect(existsSync(`${directory}/${path}/content`), path).toBe(true);
    }
    expect(await store.verify('kept')).toMatchObject({ ok: true });
    expect(await names()).toEqual(['kept']);
    expect(await store.prune()).toMatchObject({ removed: [], freedBytes: 0 });
  });

  it('takes no model away while a record cannot be read, which may name what is there', async () => {
    const { directory, store, left, problems } = await messy();
    await writeFile(`${directory}/manifests/later.json`, '{"schema": 2}');
    const { removed } = await store.prune();
    expect(removed.map(({ kind }) => kind)).toEqual(['temporary', 'download']);
    expect(existsSync(`${directory}/${left}`)).toBe(true);
    expect(problems).toMatchObject([{ code: 'MODEL_INVALID' }]);
  });

  it('follows no link, and counts nothing behind one', async () => {
    const { directory, store, left } = await messy();
    await mkdir(`${folder.path}/outside`);
    await writeFile(`${folder.path}/outside/precious`, 'x'.repeat(5000));
    await symlink(`${folder.path}/outside`, `${directory}/${left}/link`);
    expect(await store.prune()).toMatchObject({ freedBytes: 3000 });
    expect(existsSync(`${folder.path}/outside/precious`)).toBe(true);
  });

  it('deletes owned models until the rest fits, and never linked or pinned ones', async () => {
    const { store, own, names } = setUp();
    await own('linked', 4, 'link');
    await own('pinned', 1);
    await own('old', 2);
    await own('new', 3);
    await store.pin('pinned');
    // Of two that were not used, the one that was added first goes first; each was used now.
    await store.resolve('old');
    await store.resolve('new');
    const plan = await store.prune({ maxBytes: 2 * modelBytes, dryRun: true });
    expect(plan).toMatchObject({
      removed: [{ kind: 'model', freedBytes: modelBytes }],
      ownedBytes: 2 * modelBytes,
    });
    expect(await names()).toHaveLength(4);
    const report = await store.prune({ maxBytes: 0 });
    expect(report.removed.map(({ name }) => name).sort()).toEqual(['new', 'old']);
    expect(report).toMatchObject({ freedBytes: 2 * modelBytes, ownedBytes: modelBytes });
    expect(await names()).toEqual(['linked', 'pinned']);
    expect(await store.resolve('linked')).toMatchObject({ ownership: 'linked' });
  });

  it('deletes what was not used for long', async () => {
    const { directory, store, own, layout, names } = setUp();
    await own('a', 1);
    await own('b', 2);
    // A use counts from its record, which is as old as the model.
    for (const name of ['a', 'b']) {
      const path = layout.manifest(name);
      const record = JSON.parse(await readFile(path, 'utf8')) as object;
      await writeFile(path, JSON.stringify({ ...record, addedAt: daysAgo(30).toISOString() }));
    }
    await store.resolve('a');
    const [mark = ''] = await readdir(`${directory}/uses`);
    await rename(
      `${directory}/uses/${mark}`,
      `${directory}/uses/${layout.stem('a')}~${daysAgo(10).getTime()}`,
    );
    expect(await store.prune({ olderThanDays: 20 })).toMatchObject({ removed: [{ name: 'b' }] });
    expect(await names()).toEqual(['a']);
    expect(await store.prune({ olderThanDays: 9 })).toMatchObject({ removed: [{ name: 'a' }] });
  });

  it('counts content with several names once, and keeps a second name of what stays', async () => {
    const { store, own, names } = setUp();
    const first = await own('first', 1);
    await store.add(first.files.files[0]!.path, { name: 'second' });
    await store.pin('second');
    const report = await store.prune({ maxBytes: 0 });
    expect(report).toMatchObject({ removed: [], freedBytes: 0, ownedBytes: modelBytes });
    expect(await names()).toEqual(['first', 'second']);
  });

  it('wrong options are refused by name', async () => {
    const { store } = setUp();
    for (const [key, value] of [
      ['maxBytes', -1],
      ['olderThanDays', 'a'],
      ['dryRun', 1],
      ['all', true],
    ] as const) {
      await expect(store.prune({ [key]: value })).rejects.toMatchObject({ key: `options.${key}` });
    }
  });
});

describe('equal content', () => {
  const placesOf = async (paths: readonly string[]) =>
    Promise.all(paths.map(async (path) => (await stat(path)).ino));

  it('that is taken in is on the disk once', async () => {
    const { store, own, directory } = setUp();
    const first = await own('first', 1);
    const second = await own('second', 1);
    const paths = [first, second].map(({ files }) => files.files[0]!.path);
    const [a, b] = await placesOf(paths);
    expect(a).toBe(b);
    const { blocks } = await stat(paths[0]!);
    expect(blocks * 512).toBeGreaterThan(modelBytes - 4096);
    expect((await stat(paths[0]!)).nlink).toBe(2);
    expect(await store.prune({ dryRun: true })).toMatchObject({ ownedBytes: modelBytes });
    await store.remove('first');
    expect(await createModelStore({ directory }).verify('second')).toMatchObject({ ok: true });
  });

  it('that is pulled is on the disk once, also where only its bytes tell that it is equal', async () => {
    const server = await serve(tinyLlamaGguf({ seed: 1 }));
    const { store, own } = setUp();
    const first = await own('first', 1);
    const second = await store.pull(server.url, { name: 'second' });
    const paths = [first, second].map(({ files }) => files.files[0]!.path);
    expect(new Set(await placesOf(paths)).size).toBe(1);
    expect(await store.prune({ dryRun: true })).toMatchObject({ ownedBytes: modelBytes });
  });

  it('mends what had rotted meanwhile, and never spreads it', async () => {
    const { store, own } = setUp();
    const first = await own('first', 1);
    const rotten = first.files.files[0]!.path;
    await writeFile(rotten, new Uint8Array(modelBytes));
    await own('second', 1);
    for (const name of ['first', 'second'])
      expect(await store.verify(name)).toMatchObject({ ok: true });
  });

  it('is never written outside of the store, where a record and a link lead there', async () => {
    const { directory, store, own, layout, problems } = setUp();
    const first = await own('first', 1);
    const victim = `${folder.path}/victim`;
    await mkdir(victim);
    await writeFile(`${victim}/first.gguf`, 'precious');
    await rm(`${directory}/${layout.ownedFolder('first')}`, { recursive: true });
    await symlink(victim, `${directory}/${layout.ownedFolder('first')}`);
    await own('second', 1);
    expect(problems).toMatchObject([{ code: 'MODEL_INVALID' }]);
    expect(await readFile(`${victim}/first.gguf`, 'utf8')).toBe('precious');
    expect(await store.verify('second')).toMatchObject({ ok: true });
    await store.remove(first.name);
    expect(await readdir(victim)).toEqual(['first.gguf']);
  });

  it('stays apart where a file has a name outside of the store', async () => {
    const { store, own } = setUp();
    const first = await own('first', 1);
    const path = `${folder.path}/linked.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed: 1 }));
    await store.add(path);
    // The original stays, as another model links it.
    const moved = await store.add(path, { name: 'moved', placement: 'move' });
    const [a, b, c] = await placesOf([
      first.files.files[0]!.path,
      moved.files.files[0]!.path,
      path,
    ]);
    expect(b).toBe(c);
    expect(a).not.toBe(b);
  });

  it('that came to be apart is joined by pruning, from a file that was read', async () => {
    const { store, own } = setUp();
    const models = [await own('a', 1), await own('b', 1), await own('c', 1)];
    const paths = models.map(({ files }) => files.files[0]!.path);
    // As a store that was copied by a program that knows no second names.
    for (const path of paths) {
      await copyFile(path, `${folder.path}/copy`);
      await rm(path);
      await copyFile(`${folder.path}/copy`, path);
    }
    // One that is damaged must not become the others.
    await writeFile(paths[0]!, new Uint8Array(modelBytes));
    const plan = await store.prune({ dedupe: true, dryRun: true });
    expect(plan).toMatchObject({ freedBytes: 2 * modelBytes, ownedBytes: modelBytes });
    const report = await store.prune({ dedupe: true });
    expect(report.joined.map(({ name }) => name).sort()).toEqual(['a', 'c']);
    expect(report).toMatchObject({ freedBytes: 2 * modelBytes, ownedBytes: modelBytes });
    expect(new Set(await placesOf(paths)).size).toBe(1);
    for (const name of ['a', 'b', 'c'])
      expect(await store.verify(name)).toMatchObject({ ok: true });
  });
});
