import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { MobillmError } from '@mobillm/core';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore, createPullControl, type PullControl } from '../../src/index.js';
import { fileServers, sendBeginning } from '../servers/file-server.js';
import { sendBytes } from '../servers/http-servers.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');
const openStore = () => createModelStore({ directory: `${folder.path}/store` });

/** Bytes of records in the journal of the one download in a folder. */
async function journalBytes(downloads: string): Promise<number> {
  const names = await readdir(downloads, { recursive: true }).catch(() => []);
  const journal = names.find((name) => name.endsWith('.journal'));
  if (journal === undefined) return 0;
  const text = await readFile(`${downloads}/${journal}`);
  return text.byteLength - text.indexOf(10) - 1;
}

describe('pulling an address', () => {
  it('keeps the model, with where it came from', async () => {
    const server = await serve(model);
    await using store = openStore();
    const pulled = await store.pull(`${server.url}#sha256=${sha256}`);
    expect(pulled).toMatchObject({
      name: 'model',
      ownership: 'owned',
      origin: { reference: `${server.url}#sha256=${sha256}` },
      files: { files: [{ sha256, role: 'weights', fileBytes: model.byteLength }] },
    });
    expect(await store.verify('model')).toMatchObject({ ok: true });
    expect(await readdir(`${folder.path}/store/temporary`)).toEqual([]);
    expect(await openStore().list()).toEqual([pulled]);
  });

  it('fetches nothing that is there', async () => {
    const server = await serve(model);
    await using store = openStore();
    const first = await store.pull(`${server.url}#sha256=${sha256}`);
    const requests = server.ranges.length;
    expect(await store.pull(`${server.url}#sha256=${sha256}`)).toEqual(first);
    const other = await store.pull(`${server.url}#sha256=${sha256}`, { name: 'other' });
    expect(other.files.files[0]?.sha256).toBe(sha256);
    expect(server.ranges.length).toBe(requests);
    const [a, b] = [first, other].map(({ files }) => files.files[0]!.path);
    expect((await stat(a!)).ino).toBe((await stat(b!)).ino);
  });

  it('tells how far it is', async () => {
    const server = await serve(model);
    await using store = openStore();
    const reports: unknown[] = [];
    await store.pull(server.url, { onProgress: (progress) => reports.push(progress) });
    expect(reports.at(-1)).toMatchObject({
      phase: 'downloading',
      doneBytes: model.byteLength,
      totalBytes: model.byteLength,
    });
  });

  it('two stores that want the same share one download', async () => {
    const server = await serve(model);
    await using one = openStore();
    await using two = openStore();
    const reference = `${server.url}#sha256=${sha256}`;
    const [a, b] = await Promise.all([one.pull(reference), two.pull(reference)]);
    expect(a).toEqual(b);
    expect(server.sentBytes).toBeLessThan(model.byteLength + 10);
  });

  it.each([
    ['a page instead of a model', new TextEncoder().encode('<html>please log in</html>')],
    ['a model that was cut', model.subarray(0, model.byteLength / 2)],
  ])('refuses %s, and keeps nothing of it', async (_, bytes) => {
    const server = await serve(bytes);
    await using store = openStore();
    const error: unknown = await store.pull(server.url).catch((reason: unknown) => reason);
    expect(MobillmError.is(error, 'MODEL_INVALID')).toBe(true);
    expect(await store.list()).toEqual([]);
    const left = await readdir(`${folder.path}/store/downloads`, { recursive: true });
    expect(left.filter((name) => name.includes('content'))).toEqual([]);
  });

  it('is aborted, and goes on later', async () => {
    const ending = new AbortController();
    const server = await serve(model, (_, response, number) => {
      // The first request asks for the size.
      if (number !== 1) return false;
      response.writeHead(206, {
        'content-length': model.byteLength,
        'content-range': `bytes 0-${model.byteLength - 1}/${model.byteLength}`,
      });
      response.write(model.subarray(0, 300_000));
      return true;
    });
    await using store = openStore();
    const pulling = store.pull(server.url, { signal: ending.signal });
    const failed = expect(pulling).rejects.toThrow('enough');
    const downloads = `${folder.path}/store/downloads`;
    await expect.poll(() => journalBytes(downloads), { timeout: 10_000 }).toBeGreaterThan(40);
    ending.abort(new Error('enough'));
    await failed;
    expect(await store.list()).toEqual([]);
    const before = server.sentBytes;
    await store.pull(server.url);
    // The size is asked for again.
    expect(server.sentBytes - before).toBeLessThan(model.byteLength - 100_000);
    expect(await store.verify('model')).toMatchObject({ ok: true });
  });

  describe('of which no sha256 is known, and that is there already', () => {
    /** A server whose file may change, and what it was asked after the first pull. */
    const changing = async () => {
      const now = { bytes: model, etag: '"one"', status: 200 };
      const conditions: (string | undefined)[] = [];
      const server = await serve(model, (request, response) => {
        conditions.push(request.headers['if-none-match']);
        if (now.status !== 200) response.writeHead(now.status).end();
        else sendBytes(request, response, now.bytes, { etag: now.etag });
        return true;
      });
      const store = openStore();
      onTestFinished(() => store.close());
      const first = await store.pull(server.url);
      expect(first.origin).toMatchObject({ revision: '"one"' });
      conditions.length = 0;
      return { now, conditions, server, store, first };
    };

    it.each([
      ['says so', 304],
      ['sends it', 200],
      ['has trouble', 503],
      ['does not have it any more', 404],
    ])('is taken for the same when the server %s', async (_, status) => {
      const { now, conditions, server, store, first } = await changing();
      now.status = status;
      expect(await store.pull(server.url)).toEqual(first);
      expect(conditions).toEqual(['"one"']);
    });

    it('is taken for the same without a network', async () => {
      const { server, store, first } = await changing();
      await server.close();
      expect(await store.pull(server.url)).toEqual(first);
    });

    it.each([
      ['of another mark', { etag: '"two"' }],
      ['of another size', { bytes: Buffer.concat([model, Buffer.alloc(7)]) }],
    ])('is told to be another one when the server has one %s', async (_, change) => {
      const { now, conditions, server, store, first } = await changing();
      Object.assign(now, change);
      const again = store.pull(server.url);
      await expect(again).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
      expect(conditions).toHaveLength(1);
      expect(await store.resolve('model')).toEqual(first);
      const other = await store.pull(server.url, { name: 'newer' });
      expect(other.files.files[0]?.fileBytes).toBe(now.bytes.byteLength);
    });
  });

  it('two pulls are not promised the same space', async () => {
    const server = await serve(model, (request, response, number) => {
      if (number < 1) return false;
      // Keeps its download waiting.
      sendBeginning(request, response, model, 70_000);
      return true;
    });
    const second = tinyLlamaGguf({ seed: 2 });
    const other = await serve(second);
    const fileSystem = {
      ...nodeFileSystem,
      freeBytes: () => Promise.resolve(model.byteLength + 100_000),
    };
    const directory = `${folder.path}/store`;
    await using store = createModelStore({ directory, fileSystem });
    const ending = new AbortController();
    const pulling = store.pull(server.url, { signal: ending.signal });
    const failed = expect(pulling).rejects.toThrow('enough');
    await expect
      .poll(() => journalBytes(`${directory}/downloads`), { timeout: 10_000 })
      .toBeGreaterThan(0);
    const otherSha256 = createHash('sha256').update(second).digest('hex');
    const reference = `${other.url}#sha256=${otherSha256}`;
    await expect(store.pull(reference)).rejects.toMatchObject({
      code: 'IO_FAILED',
      details: { errno: 'ENOSPC', wantedBytes: second.byteLength },
    });
    ending.abort(new Error('enough'));
    await failed;
    // Nobody needs the rest any more.
    await store.pull(reference, { name: 'other' });
    expect(await store.verify('other')).toMatchObject({ ok: true });
  });

  it('is paused and goes on', async () => {
    const server = await serve(model);
    await using store = openStore();
    const control = createPullControl();
    control.pause();
    const pulling = store.pull(`${server.url}#sha256=${sha256}`, { control });
    await (await fetch(server.url)).arrayBuffer();
    expect(server.ranges).toHaveLength(1);
    control.resume();
    expect((await pulling).name).toBe('model');
    const wrong = store.pull(server.url, { control: {} as PullControl });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('a mirror without a sha256 is refused', async () => {
    const server = await serve(model);
    await using store = openStore();
    const pulling = store.pull(server.url, { mirrors: [server.url] });
    await expect(pulling).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
