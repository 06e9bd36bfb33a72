import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { MobillmError } from '@mobillm/core';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { fileServers } from '../servers/file-server.js';
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

  it('a mirror without a sha256 is refused', async () => {
    const server = await serve(model);
    await using store = openStore();
    const pulling = store.pull(server.url, { mirrors: [server.url] });
    await expect(pulling).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
