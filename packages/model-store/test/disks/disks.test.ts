import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf, writeTinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { fileServers, sendBeginning } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';
import { noNamespace, runWorker } from './namespace.js';

const folder = temporaryFolder();
const serve = fileServers();
const reason = noNamespace();
if (reason !== undefined) console.info(`disks that are mounted are not tested: ${reason}`);
const model = Buffer.concat([tinyLlamaGguf({ seed: 1 }), Buffer.alloc(5 * 2 ** 20, 'content')]);
const referenceOf = (url: string, bytes: Uint8Array) =>
  `${url}#sha256=${createHash('sha256').update(bytes).digest('hex')}`;

/** A store with the model `kept`, another model's file, and an address. */
async function setUp() {
  const directory = `${folder.path}/store`;
  const file = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(file, { seed: 2 });
  await writeFile(`${folder.path}/kept.gguf`, tinyLlamaGguf({ seed: 3 }));
  await using store = createModelStore({ directory });
  await store.add(`${folder.path}/kept.gguf`, { placement: 'move' });
  const server = await serve(model);
  const left = async () =>
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();
  return { directory, file, address: server.url, before: await left(), left };
}

/** What is read works, and what is to be changed says why it cannot be. */
function readable(errno: string, advice: string, retryable: boolean) {
  const message = expect.stringContaining(advice) as unknown;
  const refused = { code: 'IO_FAILED', errno, message, retryable };
  return {
    ...{ list: 'done', resolve: 'done', verify: 'done' },
    ...{ add: refused, move: refused, pull: refused, remove: refused },
  };
}

describe('a store that may only be read', () => {
  it('by its permissions, is read', async () => {
    const { directory, file, address, before, left } = await setUp();
    for (const path of ['', '/lock', '/manifests', '/models', '/temporary', '/downloads']) {
      await mkdir(`${directory}${path}`, { recursive: true });
    }
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory()) await chmod(`${entry.parentPath}/${entry.name}`, 0o555);
    }
    for (const path of [directory, folder.path]) await chmod(path, 0o555);
    const outcomes = await runWorker('try-all.mjs', [directory, file, address, 'nobody']);
    await chmod(folder.path, 0o755);
    for (const entry of entries) {
      if (entry.isDirectory()) await chmod(`${entry.parentPath}/${entry.name}`, 0o755);
    }
    await chmod(directory, 0o755);
    expect(outcomes).toEqual(readable('EACCES', 'Permission was denied', true));
    expect(await left()).toEqual(before);
  });

  it.skipIf(reason !== undefined)('by the disk that it lies on, is read', async () => {
    const { directory, file, address, before, left } = await setUp();
    const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"';
    const outcomes = await runWorker('try-all.mjs', [directory, file, address], mount);
    expect(outcomes).toEqual(readable('EROFS', 'read-only', false));
    expect(await left()).toEqual(before);
  });
});

it('a store that may not be read says so, whatever is asked of it', async () => {
  const { directory, file, address } = await setUp();
  await chmod(folder.path, 0o755);
  await chmod(directory, 0o000);
  const outcomes = (await runWorker('try-all.mjs', [directory, file, address, 'nobody'])) as object;
  await chmod(directory, 0o755);
  for (const outcome of Object.values(outcomes)) {
    expect(outcome).toMatchObject({ code: 'IO_FAILED', errno: 'EACCES' });
  }
});

it.skipIf(reason !== undefined)(
  'a disk that is full is told beforehand, and in the middle',
  async () => {
    const large = Buffer.alloc(40 * 2 ** 20, 'large');
    const tooLarge = await serve(large);
    let goOn: () => void = () => undefined;
    const isFull = new Promise<void>((resolve) => (goOn = resolve));
    let halts = true;
    const fitting = await serve(model, (request, response, number) => {
      if (request.url === '/go') {
        halts = false;
        goOn();
        response.end();
        return true;
      }
      if (number === 0 || !halts) return false;
      sendBeginning(request, response, model, 200_000);
      const [first, last] = fitting.ranges[number]!;
      void isFull.then(() => response.end(model.subarray(first + 200_000, last + 1)));
      return true;
    });
    const directory = `${folder.path}/disk`;
    await mkdir(directory);
    const outcomes = await runWorker(
      'fill-disk.mjs',
      [
        directory,
        referenceOf(tooLarge.url, large),
        referenceOf(fitting.url, model),
        new URL('/go', fitting.url).href,
      ],
      'mount -t tmpfs -o size=8m none "$0"',
    );
    expect(outcomes).toMatchObject({
      beforehand: {
        code: 'IO_FAILED',
        errno: 'ENOSPC',
        message: expect.stringContaining('Free some space') as unknown,
      },
      leftBeforehand: [],
      inTheMiddle: {
        code: 'IO_FAILED',
        errno: 'ENOSPC',
        message: expect.stringContaining('The disk is full') as unknown,
      },
      listed: [],
      again: 'done',
      verified: true,
    });
    // Outside of the namespace there was never a disk.
    expect(await readdir(directory)).toEqual([]);
  },
  60_000,
);
