import { createHash } from 'node:crypto';
import { copyFile, mkdir, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodeFileSystem } from '../src/file-system/node.js';
import type { FileSystem } from '../src/file-system/file-system.js';
import { createModelStore } from '../src/index.js';
import { withoutLinks } from './faulty-file-system.js';
import { hubServers } from './servers/hub-server.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();
const startHub = hubServers();
afterEach(() => void vi.unstubAllEnvs());
const bytes = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const hashOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const sha256 = hashOf(bytes);
const sumOf = (model: { files: { files: readonly { sha256?: string }[] } }) =>
  model.files.files[0]?.sha256;

/** A model file, and how many bytes of it a store over `fileSystem` has read. */
async function setUp(content = bytes) {
  const path = `${folder.path}/tiny.gguf`;
  await writeFile(path, content);
  const read = { bytes: 0 };
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    async open(opened) {
      const source = await nodeFileSystem.open(opened);
      if (opened.startsWith(`${folder.path}/store/manifests`)) return source;
      return {
        ...source,
        async read(offset, length) {
          const part = await source.read(offset, length);
          read.bytes += part.byteLength;
          return part;
        },
      };
    },
  };
  const directory = `${folder.path}/store`;
  return { path, read, directory, store: createModelStore({ directory, fileSystem }) };
}

describe('adding without hashing', () => {
  it('reads no more of a file than its header', async () => {
    const { path, read, store } = await setUp();
    await store.add(path);
    const header = read.bytes;
    expect(header).toBeLessThan(2 * bytes.byteLength);
    // Trailing bytes are allowed, so the same header stands before four gigabytes of a sparse file.
    await truncate(path, 4 * 2 ** 30);
    read.bytes = 0;
    const model = await store.add(path, { name: 'large' });
    expect(model.files.files[0]?.fileBytes).toBe(4 * 2 ** 30);
    expect(read.bytes).toBeLessThanOrEqual(header + 2 ** 20);
  });

  it.each([
    ['Ollama', `models/blobs/sha256-${sha256}`],
    ['the hub’s cache', `hub/models--owner--repo/blobs/${sha256}`],
  ])('takes the sha256 from the name that %s gave a file', async (_, blob) => {
    const { path, store } = await setUp();
    const place = `${folder.path}/${blob}`;
    await mkdir(place.slice(0, place.lastIndexOf('/')), { recursive: true });
    await rename(path, place);
    await symlink(place, path);
    expect(sumOf(await store.add(path))).toBe(sha256);
    expect(await store.verify('tiny')).toMatchObject({ ok: true });
  });

  it('takes it from no other name', async () => {
    const { path, store } = await setUp();
    for (const name of [
      sha256,
      `sha256-${sha256}`,
      `blobs/${sha256}`,
      `blobs/sha256-${sha256}-0`,
    ]) {
      const place = `${folder.path}/${name}`;
      await mkdir(place.slice(0, place.lastIndexOf('/')), { recursive: true });
      await copyFile(path, place);
      expect(sumOf(await store.add(place, { name: 'x' })), name).toBeUndefined();
      await store.remove('x');
    }
  });

  it('a false name is found by verifying', async () => {
    const { store } = await setUp();
    const place = `${folder.path}/blobs/sha256-${sha256}`;
    await mkdir(`${folder.path}/blobs`);
    await writeFile(place, other);
    await store.add(place, { name: 'tiny' });
    expect(await store.verify('tiny')).toMatchObject({
      ok: false,
      files: [{ state: 'changed', expectedSha256: sha256, actualSha256: hashOf(other) }],
    });
  });

  it('a copy is checked, and its sha256 recorded, even then', async () => {
    const { path, directory } = await setUp();
    const store = createModelStore({ directory, fileSystem: withoutLinks(nodeFileSystem) });
    const model = await store.add(path, { placement: 'move', hash: 'later' });
    expect(sumOf(model)).toBe(sha256);
    expect(await store.verify('tiny')).toMatchObject({ ok: true });
  });

  it('a copy that came out otherwise is never kept', async () => {
    const { path, directory } = await setUp();
    const real = withoutLinks(nodeFileSystem);
    const fileSystem: FileSystem = {
      ...real,
      async create(created) {
        const writer = await real.create(created);
        if (!created.endsWith('.gguf')) return writer;
        return { ...writer, write: (part) => writer.write(part.map((byte) => byte ^ 1)) };
      },
    };
    const store = createModelStore({ directory, fileSystem });
    const moving = store.add(path, { placement: 'move', hash: 'later' });
    await expect(moving).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(await store.list()).toEqual([]);
    expect(await nodeFileSystem.stat(path)).toMatchObject({ fileBytes: bytes.byteLength });
  });

  it('a second name is given without reading', async () => {
    const { path, read, store } = await setUp();
    const model = await store.add(path, { placement: 'move', hash: 'later' });
    expect(sumOf(model)).toBeUndefined();
    expect(read.bytes).toBeLessThan(2 * bytes.byteLength);
    expect(await store.verify('tiny')).toMatchObject({ ok: true });
    expect(sumOf(await store.resolve('tiny'))).toBe(sha256);
  });
});

describe('the same content', () => {
  it('is known by its path and time without reading', async () => {
    const { path, read, store } = await setUp();
    const model = await store.add(path);
    const header = read.bytes;
    await symlink(path, `${folder.path}/link.gguf`);
    for (const again of [path, `${folder.path}/link.gguf`]) {
      read.bytes = 0;
      expect(await store.add(again, { name: 'tiny' })).toEqual(model);
      expect(read.bytes).toBe(header);
    }
  });

  it('is read where neither tells', async () => {
    const { path, store } = await setUp();
    const model = await store.add(path);
    await utimes(path, 1, 1);
    expect(await store.add(path)).toEqual(model);
    await writeFile(path, other);
    await writeFile(`${folder.path}/old.gguf`, bytes);
    const older = store.add(`${folder.path}/old.gguf`, { name: 'tiny' });
    await expect(older).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
  });

  it('gets its sha256 recorded when somebody asks for it later', async () => {
    const { path, store } = await setUp();
    const { addedAt } = await store.add(path);
    const again = await store.add(path, { hash: 'now' });
    expect([again.addedAt, sumOf(again)]).toEqual([addedAt, sha256]);
    expect(await store.resolve('tiny')).toEqual(again);
  });

  it('that was moved is found again by its size and time', async () => {
    const { path, store } = await setUp();
    await store.add(path);
    const moved = `${folder.path}/moved.gguf`;
    await rename(path, moved);
    const model = await store.add(moved, { name: 'tiny' });
    expect(model.files.files[0]?.path).toBe(moved);
    await rename(moved, path);
    await utimes(path, 1, 1);
    await expect(store.add(path)).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
  });

  it.each([
    ['is what is there', bytes, 'tiny'],
    ['and other content is a conflict', other, 'MODEL_CONFLICT'],
  ])('that another process adds meanwhile %s', async (_, content, outcome) => {
    const { path, directory } = await setUp();
    const copy = `${folder.path}/copy.gguf`;
    await writeFile(copy, content);
    let added = false;
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      async makeFolder(made) {
        if (!added) {
          added = true;
          await createModelStore({ directory }).add(copy, { name: 'tiny' });
        }
        return nodeFileSystem.makeFolder(made);
      },
    };
    const store = createModelStore({ directory, fileSystem });
    const result = await store.add(path).then(
      ({ name }) => name,
      (error: unknown) => (error as { code: string }).code,
    );
    expect(result).toBe(outcome);
    expect(await store.list()).toMatchObject([{ files: { files: [{ path: copy }] } }]);
  });
});

describe('verifying what has no sha256', () => {
  it('tells what it found in a store that may not be written to, too', async () => {
    const { path, directory } = await setUp();
    await createModelStore({ directory }).add(path);
    const refuse = () => Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS' }));
    const problems: unknown[] = [];
    const store = createModelStore({
      directory,
      fileSystem: { ...nodeFileSystem, makeFolder: refuse, create: refuse, rename: refuse },
      onProblem: (problem) => problems.push(problem),
    });
    expect(await store.verify('tiny')).toEqual({
      ok: true,
      files: [{ path, state: 'ok', actualSha256: sha256 }],
    });
    expect(problems).toMatchObject([{ code: 'IO_FAILED' }]);
  });

  it('records nothing of a model that was replaced meanwhile', async () => {
    const { path, directory, store } = await setUp();
    await store.add(path);
    const replaced = `${folder.path}/replaced.gguf`;
    await writeFile(replaced, other);
    let done = false;
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      async makeFolder(made) {
        if (!done) {
          done = true;
          await store.remove('tiny');
          await store.add(replaced, { name: 'tiny' });
        }
        return nodeFileSystem.makeFolder(made);
      },
    };
    const watched = createModelStore({ directory, fileSystem });
    expect(await watched.verify('tiny')).toMatchObject({ ok: true });
    expect(sumOf(await store.resolve('tiny'))).toBeUndefined();
  });
});

describe('a pull of content that a model has', () => {
  it('reads a file of its size that has no sha256 yet, and downloads nothing', async () => {
    const hub = await startHub([{ id: 'owner/Tiny-GGUF', files: { 'Tiny-Q8_0.gguf': bytes } }]);
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('HF_HOME', folder.path);
    const { path, store } = await setUp(other);
    await store.add(path, { name: 'other' });
    const added = `${folder.path}/added.gguf`;
    await writeFile(added, bytes);
    await store.add(added);
    const phases = new Set<string>();
    const onProgress = ({ phase }: { phase: string }) => phases.add(phase);
    const pulled = await store.pull('hf:owner/Tiny-GGUF', { onProgress });
    expect(sumOf(pulled)).toBe(sha256);
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
    expect(sumOf(await store.resolve('added'))).toBe(sha256);
    expect([...phases]).toContain('hashing');
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it('knows the model of its name by what it has, without a sha256', async () => {
    const hub = await startHub([{ id: 'owner/Tiny-GGUF', files: { 'Tiny-Q8_0.gguf': bytes } }]);
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('HF_HOME', folder.path);
    const { path, store } = await setUp();
    const { addedAt } = await store.add(path, { name: 'same' });
    expect((await store.pull('hf:owner/Tiny-GGUF', { name: 'same' })).addedAt).toBe(addedAt);
    await writeFile(`${folder.path}/other.gguf`, other);
    await store.add(`${folder.path}/other.gguf`, { name: 'taken' });
    const pulling = store.pull('hf:owner/Tiny-GGUF', { name: 'taken' });
    await expect(pulling).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
  });
});
