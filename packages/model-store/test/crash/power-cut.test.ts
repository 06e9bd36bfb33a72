import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore, type DeviceModelStore } from '../../src/index.js';
import { deadProcessName, withoutLinks } from '../faulty-file-system.js';
import { seededRandom } from '../random.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';
import { RecordedDisk, type DiskCall, type Survival } from './recorded-disk.js';
import { recordingFileSystem } from './recording-file-system.js';

const folder = temporaryFolder();
const serve = fileServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const sha256 = sha256Of(model);
/** Power cuts that one job is tried with. */
const mostCuts = 80;
const survivals: readonly Survival[] = ['nothing', 'names', 'some', 'some'];

/** A disk with a model file and no store, or with a store that has it. */
interface Disk {
  readonly path: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

async function makeDisk(files: Record<string, Uint8Array>): Promise<Disk> {
  const path = await mkdtemp(`${folder.path}/disk-`);
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ''), { recursive: true });
    await writeFile(`${path}/${name}`, bytes);
  }
  return { path, files };
}

/** Does a job on a disk, and tells all that it did to it. */
async function record(
  { path }: Disk,
  real: FileSystem,
  job: (store: DeviceModelStore) => Promise<unknown>,
): Promise<readonly DiskCall[]> {
  const { fs, calls } = recordingFileSystem(real, path, deadProcessName(nodeFileSystem));
  await using store = createModelStore({ directory: `${path}/store`, fileSystem: fs });
  await job(store);
  return calls;
}

/**
 * Cuts the power after each of the calls, or after as many as there is time for, the last one included, and has
 * what is left looked at.
 */
async function cutAnywhere(
  { files }: Disk,
  calls: readonly DiskCall[],
  look: (path: string, store: DeviceModelStore, isDone: boolean) => Promise<void>,
): Promise<void> {
  const moments = Math.min(calls.length + 1, Math.floor(mostCuts / survivals.length));
  for (let moment = 0; moment < moments; moment++) {
    const done = Math.round((moment * calls.length) / Math.max(1, moments - 1));
    const disk = new RecordedDisk(files, ['']);
    for (const call of calls.slice(0, done)) disk.apply(call);
    for (const [variant, survival] of survivals.entries()) {
      const path = await mkdtemp(`${folder.path}/cut-`);
      await disk.cut(path, survival, seededRandom(1000 * done + variant));
      const problems: unknown[] = [];
      const onProblem = (error: unknown) => problems.push(error);
      const what = `power cut after ${done} of ${calls.length} calls, ${survival} of the rest kept, last ${JSON.stringify({ ...calls[done - 1], bytes: undefined })}`;
      try {
        await using store = createModelStore({ directory: `${path}/store`, onProblem });
        for (const { name } of await store.list()) {
          expect(await store.verify(name), what).toMatchObject({ ok: true });
        }
        expect(problems, what).toEqual([]);
        await look(path, store, done === calls.length);
      } catch (error) {
        throw new Error(what, { cause: error });
      }
      await rm(path, { recursive: true });
    }
  }
}

describe('a power cut at any moment', () => {
  it('of a pull leaves the whole model or none, and the next pull ends it', async () => {
    const disk = await makeDisk({});
    const server = await serve(model);
    const reference = `${server.url}#sha256=${sha256}`;
    const calls = await record(disk, nodeFileSystem, (store) => store.pull(reference));
    expect(calls.filter(({ call }) => call === 'write').length).toBeGreaterThan(4);
    await cutAnywhere(disk, calls, async (_, store, isDone) => {
      if (isDone) expect(await store.list()).toHaveLength(1);
      await store.pull(reference);
      expect(await store.list()).toHaveLength(1);
      expect(await store.verify('model')).toMatchObject({ ok: true });
    });
  }, 120_000);

  it.each([
    ['has second names', nodeFileSystem],
    ['has none', withoutLinks(nodeFileSystem)],
  ])(
    'of a move on a file system that %s leaves the content at one of its places',
    async (_, real) => {
      const disk = await makeDisk({ 'mine/tiny.gguf': model });
      const calls = await record(disk, real, (store) =>
        store.add(`${disk.path}/mine/tiny.gguf`, { placement: 'move' }),
      );
      await cutAnywhere(disk, calls, async (path, store, isDone) => {
        const models = await store.list();
        if (isDone) expect(models).toHaveLength(1);
        if (models.length === 0) {
          expect(sha256Of(await readFile(`${path}/mine/tiny.gguf`))).toBe(sha256);
          await store.add(`${path}/mine/tiny.gguf`, { placement: 'move' });
        }
        expect(await store.verify('tiny')).toMatchObject({ ok: true });
      });
    },
    120_000,
  );

  it('of a removal leaves the whole model or none', async () => {
    const made = await makeDisk({ 'mine/tiny.gguf': model });
    const calls = await record(made, nodeFileSystem, async (store) => {
      await store.add(`${made.path}/mine/tiny.gguf`, { placement: 'move' });
      await store.remove('tiny');
    });
    await cutAnywhere(made, calls, async (path, store, isDone) => {
      const models = await store.list();
      if (isDone) expect(models).toEqual([]);
      if (models.length > 0) await store.remove('tiny');
      expect(await store.list()).toEqual([]);
      await writeFile(`${path}/again.gguf`, model);
      await store.add(`${path}/again.gguf`, { name: 'tiny', placement: 'move' });
      expect(await store.verify('tiny')).toMatchObject({ ok: true });
    });
  }, 120_000);
});
