import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { deadProcessName, faultyFileSystem } from '../faulty-file-system.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const modelBytes = tinyLlamaGguf({ seed: 1 }).byteLength;

/** A store with some models of its own, two of them of one content. */
async function filled(directory: string): Promise<void> {
  const store = createModelStore({ directory });
  for (const [name, seed] of [
    ['a', 1],
    ['b', 2],
    ['c', 1],
  ] as const) {
    const path = `${folder.path}/${name}.gguf`;
    await writeFile(path, tinyLlamaGguf({ seed }));
    await store.add(path, { placement: 'move' });
  }
}

/** Lets a process do a job to a store, and kills it after a while, if it is not done. */
async function killed(directory: string, job: 'prune' | 'repair', afterMs: number): Promise<void> {
  const script = fileURLToPath(new URL('./house-worker.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, directory, job], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  await ended;
  clearTimeout(timer);
}

/** Whoever looks afterwards finds whole models alone, and the next pruning leaves nothing behind. */
async function expectWhole(directory: string): Promise<number> {
  const problems: Error[] = [];
  const store = createModelStore({ directory, onProblem: (error) => problems.push(error) });
  const report = await store.verifyAll();
  expect(report).toMatchObject({ ok: true });
  await store.prune({ downloadsOlderThanDays: 0 });
  expect(problems).toEqual([]);
  const models = await store.list();
  expect(await readdir(`${directory}/models`)).toHaveLength(models.length);
  expect(await readdir(`${directory}/temporary`)).toEqual([]);
  return models.length;
}

describe('a pruning that is ended', () => {
  it('by a crash at any step leaves whole models alone', async () => {
    const counts: number[] = [];
    for (let failAt = 0, calls = 1; failAt < calls; failAt++) {
      const directory = `${folder.path}/p${failAt}`;
      await filled(directory);
      const faulty = faultyFileSystem(
        nodeFileSystem,
        failAt,
        'crash',
        deadProcessName(nodeFileSystem),
      );
      await createModelStore({ directory, fileSystem: faulty.fs })
        .prune({ maxBytes: modelBytes })
        .catch(() => undefined);
      calls = Math.max(calls, faulty.calls.length + 1);
      counts.push(await expectWhole(directory));
    }
    expect(counts[0]).toBe(3);
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    expect(counts.at(-1)).toBeLessThan(3);
  }, 120_000);

  it('by killing its process leaves whole models alone', async () => {
    for (let round = 0; round < 8; round++) {
      const directory = `${folder.path}/k${round}`;
      await filled(directory);
      await killed(directory, 'prune', Math.random() * 40);
      await expectWhole(directory);
    }
  }, 60_000);
});

it('a repair whose process is killed leaves the damaged file or the whole one, and is done by the next', async () => {
  const bytes = tinyLlamaGguf({ seed: 1 });
  const server = await serve(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const directory = `${folder.path}/store`;
  const store = createModelStore({ directory });
  const model = await store.pull(`${server.url}#sha256=${sha256}`);
  const path = model.files.files[0]!.path;
  for (let round = 0; round < 10; round++) {
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(300_000, round + 1), 0, 300_000, 70_000);
    await file.close();
    const damaged = await readFile(path);
    await killed(directory, 'repair', Math.random() * 80);
    const left = await readFile(path);
    expect(left.equals(damaged) || left.equals(bytes)).toBe(true);
    expect(await store.list()).toMatchObject([{ name: 'model' }]);
    expect(await store.verifyAll({ repair: true })).toMatchObject({ ok: true });
    expect((await readFile(path)).equals(bytes)).toBe(true);
    expect(await readdir(`${directory}/downloads`)).toEqual([]);
  }
}, 60_000);
