import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { expect, it, describe } from 'vitest';
import { createModelStore } from '../src/index.js';
import { nodeFileSystem as fileSystem } from '../src/file-system/node.js';
import type { FileSystem } from '../src/file-system/file-system.js';
import {
  deadProcessName,
  faultyFileSystem,
  withoutLinks,
  type Call,
} from './faulty-file-system.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();
const bytes = tinyLlamaGguf();
const sha256 = createHash('sha256').update(bytes).digest('hex');
const hashOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const jobs = {
  link: { placement: 'link', real: fileSystem },
  move: { placement: 'move', real: fileSystem },
  'move by copy': { placement: 'move', real: withoutLinks(fileSystem) },
} as const;

/** Adds the model in a fresh store with one call going wrong; tells the calls up to then. */
async function addWithFault(
  round: string,
  { placement, real }: { placement: 'link' | 'move'; real: FileSystem },
  failAt: number,
  fault: Parameters<typeof faultyFileSystem>[2],
) {
  const directory = `${folder.path}/${round}`;
  const path = `${folder.path}/${round}.gguf`;
  await writeFile(path, bytes);
  // The name of a process that has ended, so that another finds what it left.
  const { fs, calls } = faultyFileSystem(real, failAt, fault, deadProcessName(fileSystem));
  const store = createModelStore({ directory, fileSystem: fs });
  const result: unknown = await store.add(path, { name: 'tiny', placement }).then(
    () => 'added',
    (error: unknown) => error,
  );
  return { directory, path, calls, result };
}

/** How many changing calls a job makes. */
async function callsOf(job: keyof typeof jobs): Promise<readonly Call[]> {
  const { calls, result } = await addWithFault('whole', jobs[job], -1, 'crash');
  expect(result).toBe('added');
  return calls;
}

/** The store as a new process finds it: the whole model or none, and the content always somewhere. */
async function expectWholeOrNone(directory: string, path: string): Promise<'whole' | 'none'> {
  const store = createModelStore({ directory });
  const models = await store.list();
  if (models.length === 0) {
    expect(await hashOf(path)).toBe(sha256);
    // And nothing stands in the way of doing it again.
    await store.add(path, { name: 'tiny', placement: 'move' });
  }
  const [file] = (await store.resolve('tiny')).files.files;
  expect(await hashOf(file?.path ?? '')).toBe(sha256);
  // The next change clears up what the ended process left.
  await writeFile(`${path}.other.gguf`, bytes);
  await store.add(`${path}.other.gguf`, { name: 'other' });
  expect(await readdir(`${directory}/temporary`)).toEqual([]);
  expect(await readdir(directory)).not.toContain('lock');
  return models.length === 0 ? 'none' : 'whole';
}

describe.each(Object.keys(jobs) as (keyof typeof jobs)[])('adding by %s', (job) => {
  it.each(['crash', 'torn-crash'] as const)('survives a %s at any step', async (fault) => {
    const calls = await callsOf(job);
    const states: string[] = [];
    for (let failAt = 0; failAt < calls.length; failAt++) {
      const { directory, path } = await addWithFault(`c${failAt}`, jobs[job], failAt, fault);
      states.push(await expectWholeOrNone(directory, path));
    }
    // Once there, it stays: no step after the recording takes it back.
    expect(states).toEqual([...states].sort());
    expect(new Set(states)).toEqual(new Set(['none', 'whole']));
  });

  it.each(['ENOSPC', 'EACCES'])('tells %s at any step', async (errno) => {
    const calls = await callsOf(job);
    for (let failAt = 0; failAt < calls.length; failAt++) {
      const round = `e${failAt}`;
      const { directory, path, result } = await addWithFault(round, jobs[job], failAt, { errno });
      if (result !== 'added') {
        expect(result, `call ${failAt}: ${calls[failAt]}`).toMatchObject({
          code: 'IO_FAILED',
          details: { errno },
        });
      }
      await expectWholeOrNone(directory, path);
    }
  });
});

describe('removing', () => {
  it('a crash at any step leaves the model or removes it', async () => {
    const states: string[] = [];
    for (let failAt = 0, calls = 1; failAt < calls; failAt++) {
      const directory = `${folder.path}/r${failAt}`;
      const path = `${folder.path}/r${failAt}.gguf`;
      await writeFile(path, bytes);
      await createModelStore({ directory }).add(path, { name: 'tiny', placement: 'move' });
      const faulty = faultyFileSystem(fileSystem, failAt, 'crash', deadProcessName(fileSystem));
      await createModelStore({ directory, fileSystem: faulty.fs })
        .remove('tiny')
        .catch(() => undefined);
      calls = Math.max(calls, faulty.calls.length + (failAt === 0 ? 8 : 0));
      const store = createModelStore({ directory });
      const models = await store.list();
      if (models.length > 0) await store.remove('tiny');
      else await expect(store.remove('tiny')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
      expect(await store.list()).toEqual([]);
      states.push(models.length === 0 ? 'gone' : 'whole');
    }
    expect(states[0]).toBe('whole');
    expect(states.at(-1)).toBe('gone');
  });
});

it('an original that cannot be deleted after a move is told, and the model is there', async () => {
  const path = `${folder.path}/tiny.gguf`;
  await writeFile(path, bytes);
  const problems: unknown[] = [];
  const stubborn: FileSystem = {
    ...fileSystem,
    remove: (target) =>
      target === path
        ? Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
        : fileSystem.remove(target),
  };
  const store = createModelStore({
    directory: `${folder.path}/store`,
    fileSystem: stubborn,
    onProblem: (error) => problems.push(error),
  });
  const model = await store.add(path, { placement: 'move' });
  expect(problems).toMatchObject([{ code: 'IO_FAILED', details: { errno: 'EACCES' } }]);
  expect(await hashOf(model.files.files[0]?.path ?? '')).toBe(sha256);
});
