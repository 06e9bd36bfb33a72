import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../src/file-system/node.js';
import { createModelStore } from '../src/index.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();

/** A store with one model, its manifest's path and its fields. */
async function storeWithModel(placement: 'link' | 'move' = 'link') {
  const directory = `${folder.path}/store`;
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(path);
  const problems: Error[] = [];
  const store = createModelStore({ directory, onProblem: (error) => problems.push(error) });
  const model = await store.add(path, { placement });
  const [file = ''] = await readdir(`${directory}/manifests`);
  const manifest = `${directory}/manifests/${file}`;
  const fields = JSON.parse(await readFile(manifest, 'utf8')) as Record<string, never>;
  return { directory, path, store, model, manifest, fields, problems };
}

describe('a manifest is input that nobody vouches for', () => {
  const file = { path: '/tmp/x.gguf', fileBytes: 1, role: 'weights', sha256: '0'.repeat(64) };
  it.each<[string, unknown]>([
    ['cut short', '{"schema": 1, "na'],
    ['empty', ''],
    ['of a later version', { schema: 2 }],
    ['a list', []],
    ['without files', { files: [] }],
    ['of a wrong name', { name: '../../etc/passwd' }],
    ['of another model', { name: 'another' }],
    ['of an unknown format', { format: 'zip' }],
    ['of an unknown ownership', { ownership: 'stolen' }],
    ['of no date', { addedAt: 'yesterday' }],
    ['with a relative path', { files: [{ ...file, path: 'x.gguf' }] }],
    ['with a path that climbs', { files: [{ ...file, path: '/models/../../x.gguf' }] }],
    ['with a zero in its path', { files: [{ ...file, path: '/models/\0x.gguf' }] }],
    ['that owns a file outside', { ownership: 'owned', files: [file] }],
    ['that owns a file above', { ownership: 'owned', files: [{ ...file, path: 'models/../x' }] }],
    ['with a size below 1', { files: [{ ...file, fileBytes: -1 }] }],
    ['with no sha256', { files: [{ ...file, sha256: 'abc' }] }],
    ['with no time', { files: [{ ...file, modifiedMs: 'now' }] }],
    ['of an unknown app', { app: 'steam' }],
    ['with an unknown role', { files: [{ ...file, role: 'virus' }] }],
    ['with a source of no name', { derivedFrom: { name: '../up' } }],
    ['with a source of no sha256', { derivedFrom: { name: 'a', sha256: 'abc' } }],
    ['with a pin that is no pin', { pinned: 'yes' }],
    ['without a description', { description: null }],
    ['with a description of wrong types', { description: { architecture: 1 } }],
  ])('%s: told by list and resolve, and can be removed', async (_, change) => {
    const { store, manifest, fields, problems, path, model } = await storeWithModel();
    await store.add(path, { name: 'other' });
    const text =
      typeof change === 'string'
        ? change
        : JSON.stringify(Array.isArray(change) ? change : { ...fields, ...(change as object) });
    await writeFile(manifest, text);

    expect((await store.list()).map(({ name }) => name)).toEqual(['other']);
    expect(problems).toMatchObject([{ code: 'MODEL_INVALID', details: { path: manifest } }]);
    await expect(store.resolve('tiny')).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(store.add(path)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await store.remove('tiny');
    expect(await store.add(path)).toEqual({ ...model, addedAt: expect.any(String) as string });
  });

  it('of a gigabyte is told, and not read', async () => {
    const { store, manifest, problems } = await storeWithModel();
    await truncate(manifest, 2 ** 30);
    expect(await store.list()).toEqual([]);
    expect(problems).toMatchObject([
      { code: 'MODEL_INVALID', message: expect.stringContaining(`${2 ** 30} bytes`) as unknown },
    ]);
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 30);
    await store.remove('tiny');
    expect(await store.list()).toEqual([]);
  });

  it('a pipe in its place is told, and nobody waits for it', async () => {
    const { store, manifest, problems } = await storeWithModel();
    await rm(manifest);
    execFileSync('mkfifo', [manifest]);
    expect(await store.list()).toEqual([]);
    expect(problems).toMatchObject([{ details: { what: 'it is not a file' } }]);
    await expect(nodeFileSystem.open(manifest)).rejects.toMatchObject({ code: 'ENXIO' });
  });

  it('a folder in its place is told', async () => {
    const { store, directory, problems } = await storeWithModel();
    await mkdir(`${directory}/manifests/odd.json`);
    expect(await store.list()).toHaveLength(1);
    expect(problems).toMatchObject([{ code: 'MODEL_INVALID' }]);
  });

  it('a folder in a model’s place is told by resolve, and can be removed', async () => {
    const { store, manifest, path, model } = await storeWithModel();
    await rm(manifest);
    await mkdir(`${manifest}/below`, { recursive: true });
    await expect(store.resolve('tiny')).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await store.remove('tiny');
    await expect(store.resolve('tiny')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    expect(await store.add(path)).toEqual({ ...model, addedAt: expect.any(String) as string });
  });

  it('an owned file in a planted manifest is not deleted with it', async () => {
    const { store, manifest, fields, model, directory } = await storeWithModel('move');
    const victim = `${directory}/models/victim/x.gguf`;
    await mkdir(`${directory}/models/victim`, { recursive: true });
    await writeFile(victim, 'precious');
    const [file] = model.files.files;
    const planted = { ...file, path: 'models/victim/x.gguf' };
    await writeFile(manifest, JSON.stringify({ ...fields, files: [planted] }));
    await store.remove('tiny');
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });

  it('a store that was moved finds the files it owns', async () => {
    const { store, directory, model } = await storeWithModel('move');
    await store.close();
    const { rename } = await import('node:fs/promises');
    await rename(directory, `${folder.path}/elsewhere`);
    const moved = createModelStore({ directory: `${folder.path}/elsewhere` });
    const path = (await moved.resolve('tiny')).files.files[0]?.path;
    expect(path).toBe(model.files.files[0]?.path.replace(directory, `${folder.path}/elsewhere`));
    expect(await moved.verify('tiny')).toMatchObject({ ok: true });
  });

  it('a linked file that has gone can be added from another place', async () => {
    const { store, path } = await storeWithModel();
    const { rename } = await import('node:fs/promises');
    await rename(path, `${folder.path}/moved.gguf`);
    await store.add(`${folder.path}/moved.gguf`, { name: 'tiny' });
    expect((await store.resolve('tiny')).files.files[0]?.path).toBe(`${folder.path}/moved.gguf`);
  });
});
