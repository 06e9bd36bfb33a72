import { createHash } from 'node:crypto';
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { MobillmError } from '@mobillm/core';
import { describe, expect, it } from 'vitest';
import { downloadFile, type DownloadRequest } from '../../src/download/download.js';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { HttpClient } from '../../src/http/http-client.js';
import { createNodeTransport } from '../../src/http/node.js';
import { fileServers, type FileServer } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const client = new HttpClient(createNodeTransport({ stallMs: 500 }));

/** Bytes that look like none of each other's. */
function randomBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const content = randomBytes(9_000_001);
const sha256 = sha256Of(content);

function download(
  servers: readonly FileServer[],
  more: Partial<DownloadRequest> = {},
  fs: FileSystem = nodeFileSystem,
) {
  return downloadFile(fs, client, {
    mirrors: servers.map(({ url }) => ({ url })),
    path: `${folder.path}/model`,
    connections: 6,
    firstDelayMs: 20,
    signal: new AbortController().signal,
    onBytes: () => undefined,
    ...more,
  });
}

const arrived = async () => sha256Of(await readFile(`${folder.path}/model`));
const failure = async (promise: Promise<unknown>) => {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason: unknown) => reason,
  );
  return MobillmError.is(error) ? error : (error as MobillmError);
};

describe('a download', () => {
  it('brings the bytes and their sha256', async () => {
    const server = await serve(content);
    const progress: number[] = [];
    const done = await download([server], { onBytes: (bytes) => progress.push(bytes) });
    expect(done).toEqual({
      fileBytes: content.byteLength,
      sha256,
      resumedBytes: 0,
      checksums: Uint32Array.from({ length: Math.ceil(content.byteLength / 2 ** 16) }, (_, piece) =>
        nodeFileSystem.crc32(content.subarray(piece * 2 ** 16, (piece + 1) * 2 ** 16)),
      ),
      mark: '"content"',
    });
    expect(await arrived()).toBe(sha256);
    expect(progress.at(-1)).toBe(content.byteLength);
  });

  it.each([0, 1, 65_535, 65_536, 65_537, 131_072])('brings %i bytes', async (length) => {
    const bytes = randomBytes(length);
    const server = await serve(bytes);
    const done = await download([server], { totalBytes: length, sha256: sha256Of(bytes) });
    expect(done.fileBytes).toBe(length);
    expect(await arrived()).toBe(sha256Of(bytes));
  });

  it('goes on where another one was ended, and asks again for a mebibyte at most', async () => {
    const server = await serve(content);
    const ending = new AbortController();
    const ended = download([server], {
      signal: ending.signal,
      onBytes: (done) => done > 4_000_000 && ending.abort(new Error('enough')),
    });
    await expect(ended).rejects.toThrow('enough');
    const again = await serve(content);
    const done = await download([again]);
    expect(done.sha256).toBe(sha256);
    expect(done.resumedBytes).toBeGreaterThanOrEqual(4_000_000);
    expect(again.sentBytes).toBeLessThanOrEqual(content.byteLength - done.resumedBytes + 1);
  });

  it('notices what changed on the disk meanwhile, and fetches that alone', async () => {
    const server = await serve(content);
    const ending = new AbortController();
    await failure(
      download([server], {
        signal: ending.signal,
        onBytes: (done) => done > 6_000_000 && ending.abort(new Error('enough')),
      }),
    );
    const file = await open(`${folder.path}/model`, 'r+');
    await file.write(new Uint8Array(10), 0, 10, 200_000);
    await file.close();
    const again = await serve(content);
    const done = await download([again]);
    expect(done.sha256).toBe(sha256);
    expect(again.sentBytes).toBeLessThan(content.byteLength - done.resumedBytes + 70_000);
  });

  it('takes a file that was cut short for what is left of it', async () => {
    const server = await serve(content);
    const ending = new AbortController();
    await failure(
      download([server], {
        signal: ending.signal,
        onBytes: (done) => done > 6_000_000 && ending.abort(new Error('enough')),
      }),
    );
    await truncate(`${folder.path}/model`, 1_000_000);
    const done = await download([server]);
    expect(done).toMatchObject({ sha256 });
    expect(done.resumedBytes).toBeLessThanOrEqual(1_000_000);
    expect((await stat(`${folder.path}/model`)).size).toBe(content.byteLength);
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    [
      'a file with a second name',
      (path) => writeFile(path, 'elsewhere').then(() => link(path, `${path}.2`)),
    ],
    [
      'a link',
      (path) => writeFile(`${path}.2`, 'elsewhere').then(() => symlink(`${path}.2`, path)),
    ],
    ['a link to nothing', (path) => symlink(`${path}.3`, path)],
    ['a folder', (path) => mkdir(`${path}/below`, { recursive: true })],
  ])('leaves what lies elsewhere as it is when its place is taken by %s', async (_, take) => {
    const path = `${folder.path}/model`;
    await take(path);
    const elsewhere = () => readFile(`${path}.2`).then(sha256Of, () => undefined);
    const before = await elsewhere();
    expect((await download([await serve(content)])).sha256).toBe(sha256);
    expect(await arrived()).toBe(sha256);
    expect(await elsewhere()).toBe(before);
    expect(await readdir(folder.path)).not.toContain('model.3');
  });

  it.each([
    ['and says so', { etag: '"other"' }],
    ['and tells its time', { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }],
  ])('does not mix contents when the file changes %s', async (_, headers) => {
    const other = randomBytes(content.byteLength, 2);
    const server = await serve(content, (_request, response, number) => {
      const [first, last] = server.ranges[number]!;
      const isOld = number <= 1;
      response.writeHead(206, {
        'content-length': last - first + 1,
        'content-range': `bytes ${first}-${last}/${content.byteLength}`,
        ...(isOld ? { 'last-modified': 'Wed, 31 Dec 2025 00:00:00 GMT' } : headers),
      });
      const part = (isOld ? content : other).subarray(first, last + 1);
      if (number !== 1) response.end(part);
      else response.write(part.subarray(0, 200_000), () => response.destroy());
      return true;
    });
    const error = await failure(download([server]));
    expect(error).toMatchObject({
      code: 'INTEGRITY_FAILED',
      message: expect.stringContaining('has changed') as unknown,
    });
    const again = await download([server]);
    expect(again).toMatchObject({ sha256: sha256Of(other), resumedBytes: 0 });
  });

  it('begins anew where nothing tells whether the content is the same', async () => {
    const ending = new AbortController();
    const server = await serve(content, (_, response, number) => {
      const [first, last] = server.ranges[number]!;
      response.writeHead(206, {
        'content-length': last - first + 1,
        'content-range': `bytes ${first}-${last}/${content.byteLength}`,
      });
      response.end(content.subarray(first, last + 1));
      return true;
    });
    const onBytes = (done: number) => {
      if (done > 4_000_000) ending.abort(new Error('enough'));
    };
    await failure(download([server], { signal: ending.signal, onBytes }));
    expect(await download([server])).toMatchObject({ sha256, resumedBytes: 0 });
  });

  it('says that the disk is full when the journal finds no place', async () => {
    const server = await serve(content);
    const fs = {
      ...nodeFileSystem,
      create: async (path: string) => {
        const writer = await nodeFileSystem.create(path);
        let writes = 0;
        const full = () =>
          Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
        return {
          ...writer,
          write: (bytes: Uint8Array) => (writes++ < 2 ? writer.write(bytes) : full()),
        };
      },
    };
    const error = await failure(download([server], {}, fs));
    expect(error).toMatchObject({ code: 'IO_FAILED', details: { errno: 'ENOSPC' } });
  });

  it('refuses a size that no model has', async () => {
    const server = await serve(content);
    const error = await failure(download([server], { totalBytes: 2 ** 53 - 1, sha256 }));
    expect(error).toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });

  it('lives with a server without ranges', async () => {
    const server = await serve(content, (_, response) => {
      response.writeHead(200, { 'content-length': content.byteLength }).end(content);
      return true;
    });
    expect((await download([server])).sha256).toBe(sha256);
  });

  it('lives with connections that break off', async () => {
    const server = await serve(content, (_, response, number) => {
      if (number % 2 === 0) return false;
      const [first, last] = server.ranges[number]!;
      response.writeHead(206, {
        'content-length': last - first + 1,
        'content-range': `bytes ${first}-${last}/${content.byteLength}`,
      });
      response.write(content.subarray(first, Math.min(first + 200_000, last)), () =>
        response.destroy(),
      );
      return true;
    });
    expect((await download([server])).sha256).toBe(sha256);
  });

  it('lives with a server that falls silent', async () => {
    const server = await serve(content, (_, response, number) => {
      if (number !== 1) return false;
      const [first, last] = server.ranges[number]!;
      response.writeHead(206, {
        'content-length': last - first + 1,
        'content-range': `bytes ${first}-${last}/${content.byteLength}`,
      });
      response.write(content.subarray(first, first + 100_000));
      return true;
    });
    expect((await download([server])).sha256).toBe(sha256);
  });

  it('waits as a server asks for it', async () => {
    const server = await serve(content, (_, response, number) => {
      if (number !== 1) return false;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    });
    expect((await download([server])).sha256).toBe(sha256);
  });

  it('finds the mirror that lies, and does without it', async () => {
    const good = await serve(content);
    const wrong = content.slice();
    for (let at = 100; at < wrong.byteLength; at += 100_000) wrong[at]! ^= 1;
    const bad = await serve(wrong);
    const dropped: string[] = [];
    const done = await download([good, bad], {
      sha256,
      onMirrorDropped: (host) => dropped.push(host),
    });
    expect(done.sha256).toBe(sha256);
    expect(bad.sentBytes).toBeGreaterThan(1);
    expect(dropped).toEqual([new URL(bad.url).host]);
  });

  it('goes on with another mirror when one does not have the file', async () => {
    const good = await serve(content);
    const none = await serve(content, (_, response) => {
      response.writeHead(404).end();
      return true;
    });
    const dropped: string[] = [];
    const onMirrorDropped = (host: string) => dropped.push(host);
    const done = await download([none, good], { sha256, onMirrorDropped });
    expect(done.sha256).toBe(sha256);
    expect(dropped).toEqual([new URL(none.url).host]);
  });

  it('refuses what has another sha256, and keeps nothing of it', async () => {
    const server = await serve(content);
    const wanted = sha256Of(randomBytes(5));
    const error = await failure(download([server], { sha256: wanted }));
    expect(error).toMatchObject({
      code: 'INTEGRITY_FAILED',
      details: { actual: sha256, expected: wanted },
    });
    expect(await readdir(folder.path)).toEqual([]);
  });

  it.each([
    ['another size', { 'content-range': 'bytes 0-0/77' }, 'INTEGRITY_FAILED'],
    ['another part', { 'content-range': `bytes 5-9/${content.byteLength}` }, 'NETWORK_FAILED'],
    ['compressed bytes', { 'content-encoding': 'gzip' }, 'NETWORK_FAILED'],
    ['no size', { 'content-range': 'bytes 0-0/*' }, 'NETWORK_FAILED'],
  ])('refuses %s', async (_, headers, code) => {
    const server = await serve(content, (_request, response) => {
      response.writeHead(206, headers as unknown as Record<string, string>).end('x');
      return true;
    });
    const error = await failure(download([server], { totalBytes: content.byteLength, sha256 }));
    expect(error.code).toBe(code);
  });

  it('gives up on a server that gives nothing', async () => {
    const server = await serve(content, (_, response, number) => {
      if (number === 0) return false;
      response.writeHead(503, { 'retry-after': '0' }).end();
      return true;
    });
    const error = await failure(download([server]));
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', retryable: true });
  });
});
