import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { hubServers } from '../servers/hub-server.js';
import { fileServers } from '../servers/file-server.js';
import { layerServer } from '../servers/layer-server.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const startHub = hubServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');
const pieceBytes = 2 ** 16;
const pathOf = ({ files }: { files: { files: readonly { path: string }[] } }) =>
  files.files[0]!.path;

/** Writes other bytes to one place of a file, in place. */
async function damage(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(randomBytes(16), 0, 16, offset);
  await file.close();
}

async function pulled() {
  const server = await serve(model);
  const directory = `${folder.path}/store`;
  const store = createModelStore({ directory });
  const stored = await store.pull(`${server.url}#sha256=${sha256}`);
  return { server, directory, store, path: pathOf(stored) };
}

describe('a repair', () => {
  it('fetches the damaged pieces alone, into a new file', async () => {
    const { server, store, path, directory } = await pulled();
    await damage(path, 100_000);
    await damage(path, 200_000);
    const mapped = await open(path);
    const before = { sent: server.sentBytes, bytes: await readFile(path) };
    expect(await store.verify('model')).toMatchObject({ ok: false, files: [{ state: 'changed' }] });
    expect(await store.verify('model', { repair: true })).toEqual({
      ok: true,
      files: [
        {
          path,
          state: 'ok',
          expectedSha256: sha256,
          actualSha256: sha256,
          fetchedBytes: 2 * pieceBytes,
        },
      ],
    });
    expect(server.sentBytes - before.sent).toBe(2 * pieceBytes);
    expect(await store.verify('model')).toMatchObject({ ok: true });
    // Whoever had it open still has what it was.
    expect((await mapped.readFile()).equals(before.bytes)).toBe(true);
    await mapped.close();
    expect(await readdir(`${directory}/downloads`)).toEqual([]);
    expect(await readdir(`${directory}/temporary`)).toEqual([]);
  });

  it.each([
    ['that was cut', (path: string) => truncate(path, 300_000), (left: number) => left < 300_000],
    [
      'that has grown',
      (path: string) => writeFile(path, 'more', { flag: 'a' }),
      (left: number) => left < 10,
    ],
    ['that has gone', (path: string) => rm(path), (left: number) => left <= model.byteLength],
    [
      'whose checksums have gone',
      (path: string, directory: string) =>
        damage(path, 5).then(() => rm(`${directory}/checksums`, { recursive: true })),
      (left: number) => left <= model.byteLength,
    ],
    [
      'whose checksums are damaged',
      async (path: string, directory: string) => {
        await damage(path, 5);
        await damage(`${directory}/checksums/${sha256}`, 200);
      },
      (left: number) => left <= model.byteLength,
    ],
  ] as const)('mends a file %s', async (_, spoil, isEnough) => {
    const { server, store, path, directory } = await pulled();
    await spoil(path, directory);
    const before = server.sentBytes;
    expect(await store.verify('model', { repair: true })).toMatchObject({ ok: true });
    expect((await readFile(path)).equals(model)).toBe(true);
    expect(isEnough(server.sentBytes - before)).toBe(true);
  });

  it('mends all names that a damaged file has in the store', async () => {
    const { server, store, path } = await pulled();
    await store.pull(`${server.url}#sha256=${sha256}`, { name: 'second' });
    await damage(path, 1000);
    expect(await store.verify('second')).toMatchObject({ ok: false });
    const before = server.sentBytes;
    const report = await store.verifyAll({ repair: true });
    expect(report).toMatchObject({
      ok: true,
      models: [
        { name: 'model', report: { files: [{ state: 'ok' }] } },
        { name: 'second', report: { files: [{ state: 'ok' }] } },
      ],
    });
    expect(server.sentBytes - before).toBe(pieceBytes);
    expect((await stat(path)).nlink).toBe(2);
    expect(await store.verify('second')).toMatchObject({ ok: true });
  });

  it('of a hub’s model asks at the commit that it came from', async () => {
    const hub = await startHub([{ id: 'team/model', files: { 'model-Q4_0.gguf': model } }]);
    const fileSystem = { ...nodeFileSystem, environment: () => ({ HF_ENDPOINT: hub.endpoint }) };
    const store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
    const stored = await store.pull('hf:team/model');
    await damage(pathOf(stored), 300_000);
    const asked = hub.requests.length;
    expect(await store.verify(stored.name, { repair: true })).toMatchObject({ ok: true });
    const paths = hub.requests.slice(asked).map(({ path }) => path);
    expect(paths.filter((path) => path.includes('/revision/'))).toEqual([
      `/api/models/team/model/revision/${stored.origin?.revision}`,
    ]);
  });

  it('of a registry’s model finds the layer by its digest', async () => {
    const weights = { kind: 'model', bytes: model };
    const template = { kind: 'template', bytes: new TextEncoder().encode('{{ .Prompt }}') };
    const { host, asked } = await layerServer({ a: [weights, template] });
    const store = createModelStore({ directory: `${folder.path}/store` });
    const stored = await store.pull(`ollama:${host}/team/model:a`);
    await writeFile(stored.files.files[1]!.path, 'spoilt');
    const before = asked.length;
    expect(await store.verify(stored.name, { repair: true })).toMatchObject({ ok: true });
    expect(asked).toHaveLength(before + 1);
    expect(await readFile(stored.files.files[1]!.path, 'utf8')).toBe('{{ .Prompt }}');
  });

  it('says what to do where nothing can be fetched, and touches nothing', async () => {
    const directory = `${folder.path}/store`;
    const store = createModelStore({ directory });
    const reports: string[] = [];
    for (const placement of ['link', 'move'] as const) {
      const path = `${folder.path}/${placement}.gguf`;
      await writeFile(path, model);
      const stored = await store.add(path, { placement });
      await damage(pathOf(stored), 5000);
      const spoilt = await readFile(pathOf(stored));
      const report = await store.verify(placement, { repair: true });
      expect(report).toMatchObject({ ok: false, files: [{ state: 'changed' }] });
      reports.push(report.files[0]?.advice ?? '');
      expect((await readFile(pathOf(stored))).equals(spoilt)).toBe(true);
    }
    expect(reports[0]).toContain('lies outside of the store');
    expect(reports[1]).toContain('Remove the model and add the file again');
  });

  it('says so when the source has other content by now', async () => {
    const files: Record<string, Uint8Array> = { 'model-Q4_0.gguf': model };
    const hub = await startHub([{ id: 'team/model', files }]);
    const fileSystem = { ...nodeFileSystem, environment: () => ({ HF_ENDPOINT: hub.endpoint }) };
    const store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
    const stored = await store.pull('hf:team/model');
    files['model-Q4_0.gguf'] = tinyLlamaGguf({ seed: 2 });
    await damage(pathOf(stored), 300_000);
    const report = await store.verify(stored.name, { repair: true });
    expect(report.files[0]?.advice).toContain('no longer has this content');
  });

  it('goes on with what a repair had that was broken off', async () => {
    const { server, store, path, directory } = await pulled();
    for (let offset = 0; offset < model.byteLength; offset += pieceBytes)
      await damage(path, offset);
    await server.close();
    await expect(
      store.verify('model', { repair: true, signal: AbortSignal.timeout(300) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await store.list()).toHaveLength(1);
    // What was sound is kept for the next one, or a pull.
    expect(await readdir(`${directory}/downloads/${sha256}`)).toEqual([
      'content',
      'content.journal',
    ]);
  });
});

describe('verifying all', () => {
  it('tells of each, also of records that are damaged', async () => {
    const { store, directory, path } = await pulled();
    const other = `${folder.path}/other.gguf`;
    await writeFile(other, tinyLlamaGguf({ seed: 2 }));
    await store.add(other);
    await writeFile(`${directory}/manifests/broken.json`, '{');
    await damage(path, 77);
    const reports: unknown[] = [];
    const report = await store.verifyAll({ onProgress: (progress) => reports.push(progress) });
    expect(report).toMatchObject({
      ok: false,
      models: [
        { name: 'model', report: { ok: false, files: [{ state: 'changed' }] } },
        { name: 'other', report: { ok: true, files: [{ state: 'ok' }] } },
        { name: `${directory}/manifests/broken.json`, error: { code: 'MODEL_INVALID' } },
      ],
    });
    const totalBytes = model.byteLength * 2;
    expect(reports.at(-1)).toEqual({ phase: 'hashing', doneBytes: totalBytes, totalBytes });
  });

  it('reads content with several names once', async () => {
    const { store, server, directory } = await pulled();
    await store.pull(`${server.url}#sha256=${sha256}`, { name: 'second' });
    const opened: string[] = [];
    const fileSystem = {
      ...nodeFileSystem,
      open: (path: string) => (opened.push(path), nodeFileSystem.open(path)),
    };
    const watching = createModelStore({ directory, fileSystem });
    expect(await watching.verifyAll()).toMatchObject({ ok: true });
    expect(opened.filter((path) => path.endsWith('.gguf'))).toHaveLength(1);
  });
});
