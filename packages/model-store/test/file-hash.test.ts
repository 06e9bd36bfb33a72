import { createHash } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openFileHash } from '../src/file-hash.js';
import type { FileSystem } from '../src/file-system/file-system.js';
import { nodeFileSystem } from '../src/file-system/node.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();
const block = 2 ** 16;
const content = Buffer.alloc(20 * block + 5, 'content ');
const sha256 = createHash('sha256').update(content).digest('hex');
const checksums = Array.from({ length: 21 }, (_, index) =>
  crc32(content.subarray(index * block, (index + 1) * block)),
);
const { hashFile: _, ...threadless } = nodeFileSystem;
const ways: [string, FileSystem][] = [
  ['on a thread', nodeFileSystem],
  ['on the thread of the caller', threadless],
];

describe.each(ways)('the sha256 of a file, computed %s', (_name, fs) => {
  /** As of a file that is worth a thread. */
  const hashOf = (path: string) => openFileHash(fs, path, 2 ** 40);

  it('is that of its bytes, also of those that come meanwhile', async () => {
    const path = `${folder.path}/file`;
    await writeFile(path, content.subarray(0, 3 * block));
    const hash = await hashOf(path);
    expect(await hash.take(3 * block)).toEqual({ takenBytes: 3 * block, isAtEnd: false });
    expect(await hash.take(1)).toEqual({ takenBytes: 0, isAtEnd: true });
    const file = await open(path, 'r+');
    await file.write(content, 3 * block, undefined, 3 * block);
    await file.close();
    const rest = content.byteLength - 3 * block;
    expect(await hash.take(rest, checksums.slice(3))).toEqual({ takenBytes: rest, isAtEnd: false });
    expect(await hash.digest()).toBe(sha256);
    await hash.close();
    await hash.close();
  });

  it('stops before a block that differs', async () => {
    const path = `${folder.path}/file`;
    await writeFile(path, content);
    const hash = await hashOf(path);
    const wrong = checksums.with(17, 0);
    const taken = await hash.take(content.byteLength, wrong);
    expect(taken).toEqual({ takenBytes: 17 * block, isAtEnd: false });
    const rest = content.byteLength - taken.takenBytes;
    await hash.take(rest, [undefined, ...checksums.slice(18)]);
    expect(await hash.digest()).toBe(sha256);
    await hash.close();
  });

  it('ends where the file was cut', async () => {
    const path = `${folder.path}/file`;
    await writeFile(path, content);
    await truncate(path, 2 * block + 7);
    const hash = await hashOf(path);
    const taken = await hash.take(content.byteLength, [checksums[0], checksums[1]]);
    expect(taken).toEqual({ takenBytes: 2 * block + 7, isAtEnd: true });
    await hash.close();
  });

  it('says with the code of the system why there is none', async () => {
    await expect(hashOf(`${folder.path}/none`)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
