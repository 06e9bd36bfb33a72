import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../src/file-system/node.js';
import { createModelStore } from '../src/index.js';
import { StoreLayout } from '../src/layout.js';
import { makeWorkFolder, takeLock } from '../src/lock.js';
import { deadProcessName } from './faulty-file-system.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();
const dead = `${deadProcessName(nodeFileSystem)}~x-0`;
const living = `${nodeFileSystem.processName()}~another-0`;

async function setUp() {
  const directory = `${folder.path}/store`;
  const file = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(file);
  await mkdir(`${directory}/lock`, { recursive: true });
  return { directory, file, lock: `${directory}/lock`, store: createModelStore({ directory }) };
}

describe('what no process left in the lock’s folder does not stop a change', () => {
  it.each<[string, (lock: string) => Promise<unknown>]>([
    ['a file of the system', (lock) => writeFile(`${lock}/.DS_Store`, '')],
    ['a name of another form', (lock) => writeFile(`${lock}/a-b`, '')],
    ['a name with a process and no call', (lock) => writeFile(`${lock}/dead~x`, '')],
    ['a folder', (lock) => mkdir(`${lock}/folder~1/below`, { recursive: true })],
    ['a folder with the name of a dead owner', (lock) => mkdir(`${lock}/${dead}`)],
    ['a folder with the name of a living owner', (lock) => mkdir(`${lock}/${living}`)],
    [
      'several things and a dead owner',
      async (lock) => {
        await writeFile(`${lock}/.DS_Store`, '');
        await writeFile(`${lock}/${dead}`, '');
        await mkdir(`${lock}/zzz`);
      },
    ],
    [
      'a file in the place of the folder',
      async (lock) => {
        await rm(lock, { recursive: true, maxRetries: 100, retryDelay: 1 });
        await writeFile(lock, '');
      },
    ],
  ])('%s', async (_, leave) => {
    const { directory, file, lock, store } = await setUp();
    await leave(lock);
    expect((await store.add(file)).name).toBe('tiny');
    expect(await readdir(directory)).not.toContain('lock');
  });
});

it('a living owner among other things keeps the lock, and they stay with it', async () => {
  const { file, lock, store } = await setUp();
  const names = ['.DS_Store', living].sort();
  for (const name of names) await writeFile(`${lock}/${name}`, '');
  const failed = expect(store.add(file)).rejects.toMatchObject({ code: 'CLOSED' });
  await store.close();
  await failed;
  expect((await readdir(lock)).sort()).toEqual(names);
});

it('a lock is kept while its process takes another one, waits for one and gives it back', async () => {
  const layout = new StoreLayout(folder.path, nodeFileSystem);
  const { signal } = new AbortController();
  const [work, other] = await Promise.all([
    makeWorkFolder(nodeFileSystem, layout),
    makeWorkFolder(nodeFileSystem, layout),
  ]);
  const [first, second] = ['first', 'second'].map((name) => `${folder.path}/${name}`);
  const isTaken = async () => {
    const asking = new AbortController();
    const taking = takeLock(nodeFileSystem, first!, other, asking.signal, () => {
      asking.abort(new Error('taken'));
      return Promise.resolve();
    });
    await expect(taking).rejects.toThrow('taken');
  };
  const giveBack = await takeLock(nodeFileSystem, first!, work, signal);
  await isTaken();
  await mkdir(second!);
  await writeFile(`${second}/${living}`, '');
  let waits = 0;
  const giveBackSecond = await takeLock(nodeFileSystem, second!, work, signal, async () => {
    await isTaken();
    if (waits++ === 0) await rm(`${second}/${living}`);
  });
  expect(waits).toBe(1);
  await giveBackSecond();
  await isTaken();
  await giveBack();
  await (
    await takeLock(nodeFileSystem, first!, other, signal)
  )();
});

describe('a lock of a process on another machine', () => {
  const [, ...rest] = nodeFileSystem.processName().split('_');
  const elsewhere = `${['elsewhere', ...rest].join('_')}~other-0`;
  const { signal } = new AbortController();
  const layout = () => new StoreLayout(folder.path, nodeFileSystem);

  it('is kept while it shows life, and taken over once it does not', async () => {
    const lock = `${folder.path}/lock`;
    await mkdir(lock);
    await writeFile(`${lock}/${elsewhere}`, '');
    const work = await makeWorkFolder(nodeFileSystem, layout());
    let beats = 0;
    const beat = async () => {
      if (beats >= 20) return;
      const [name] = await readdir(lock);
      await rename(`${lock}/${name}`, `${lock}/${elsewhere}.${++beats}`);
    };
    const giveBack = await takeLock(nodeFileSystem, lock, work, signal, beat, { beatMs: 2 });
    expect(beats).toBe(20);
    await giveBack();
    expect(await readdir(folder.path)).not.toContain('lock');
  });

  it('that was taken over is told to its owner, who leaves the new one alone', async () => {
    const lock = `${folder.path}/lock`;
    const [work, other] = await Promise.all([
      makeWorkFolder(nodeFileSystem, layout()),
      makeWorkFolder(nodeFileSystem, layout()),
    ]);
    const lost: unknown[] = [];
    const onLost = (error: unknown) => lost.push(error);
    const options = { onLost, beatMs: 5 };
    const giveBack = await takeLock(nodeFileSystem, lock, work, signal, undefined, options);
    await expect.poll(() => readdir(lock)).toEqual([expect.stringMatching(/\.[a-z0-9]+$/)]);
    // As another machine does it, to which this process seems to have ended.
    await rm(lock, { recursive: true, maxRetries: 100, retryDelay: 1 });
    const giveBackOther = await takeLock(nodeFileSystem, lock, other, signal);
    await expect.poll(() => lost).toMatchObject([{ code: 'IO_FAILED', retryable: true }]);
    await giveBack();
    expect(await readdir(lock)).toHaveLength(1);
    await giveBackOther();
  });

  it('shows life while it is held, and is given back by its last name', async () => {
    const lock = `${folder.path}/lock`;
    const work = await makeWorkFolder(nodeFileSystem, layout());
    const giveBack = await takeLock(nodeFileSystem, lock, work, signal, undefined, { beatMs: 5 });
    await expect.poll(() => readdir(lock)).toEqual([expect.stringMatching(/\.[a-z0-9]+$/)]);
    await giveBack();
    expect(await readdir(folder.path)).not.toContain('lock');
  });
});
