import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fileBytes, readModelFile } from '../../src/platform/model-file.js';

let folder: string;
let path: string;
const content = Uint8Array.from({ length: 2_500_000 }, (_, index) => index % 251);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-model-file-'));
  path = join(folder, 'tokenizer.json');
  await writeFile(path, content);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('reads a file whole, and tells its size', async () => {
  expect(Buffer.compare(await readModelFile(path, { maxBytes: 2_500_000 }), content)).toBe(0);
  expect(await fileBytes(path)).toBe(2_500_000);
  const empty = join(folder, 'empty');
  await writeFile(empty, '');
  expect(await readModelFile(empty, { maxBytes: 1 })).toEqual(new Uint8Array(0));
});

it('refuses a file that is too long, unread', async () => {
  await expect(readModelFile(path, { maxBytes: 2_499_999 })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    details: { path, fileBytes: 2_500_000, maxBytes: 2_499_999 },
  });
});

// Windows has no pipes among its files.
it.skipIf(process.platform === 'win32')(
  'refuses a pipe and a device, and waits for nobody',
  async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const name of [pipe, '/dev/zero']) {
      await expect(readModelFile(name, { maxBytes: 9 })).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
        message: expect.stringContaining('is a pipe or a device') as string,
      });
    }
  },
);

it('says what is missing, and what is a folder', async () => {
  for (const call of [(name: string) => readModelFile(name, { maxBytes: 9 }), fileBytes]) {
    await expect(call(join(folder, 'none'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { errno: 'ENOENT' },
    });
    await expect(call(folder)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { errno: 'EISDIR' },
    });
  }
});

it('notices a file that shrinks while it is read', async () => {
  const shrinking = join(folder, 'shrinking');
  await writeFile(shrinking, content);
  // The signal is asked before each piece is read.
  const signal = Object.assign(new AbortController().signal, {
    throwIfAborted: () => truncateSync(shrinking, 10),
  });
  await expect(readModelFile(shrinking, { maxBytes: 2 ** 24, signal })).rejects.toMatchObject({
    code: 'IO_FAILED',
    retryable: true,
    details: { actualBytes: 10, expectedBytes: 2_500_000 },
  });
});

it('stops when told to', async () => {
  const reason = new Error('enough');
  await expect(
    readModelFile(path, { maxBytes: 2 ** 24, signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
});

it('names what is wrong with a call', async () => {
  await expect(readModelFile('', { maxBytes: 5 })).rejects.toMatchObject({ key: 'path' });
  await expect(readModelFile(path, {} as never)).rejects.toMatchObject({ key: 'options.maxBytes' });
  await expect(readModelFile(path, { maxBytes: 0 })).rejects.toMatchObject({
    key: 'options.maxBytes',
  });
});
