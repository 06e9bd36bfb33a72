import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openZipEntry } from '../lib/zip-entry.mjs';

let folder;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-zip-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A zip archive of these files, the first deflated and the others stored. */
function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    const method = index === 0 ? 8 : 0;
    const data = method === 8 ? deflateRawSync(content) : content;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    parts.push(local, Buffer.from(name), data);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(content.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    directory.push(central, Buffer.from(name));
    offset += 30 + name.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

async function archive(bytes) {
  const path = join(folder, `${Math.random()}.zip`);
  await writeFile(path, bytes);
  return path;
}

const files = { 'a/first.txt': Buffer.from('abc'.repeat(1000)), 'b.bin': Buffer.from([1, 2, 3]) };

describe('openZipEntry', () => {
  it('inflates a deflated file', async () => {
    const path = await archive(zip(files));
    const entry = await openZipEntry(path, (name) => name.endsWith('.txt'));
    expect({ name: entry.name, fileBytes: entry.fileBytes }).toEqual({
      name: 'a/first.txt',
      fileBytes: 3000,
    });
    expect(await buffer(entry.content)).toEqual(files['a/first.txt']);
  });

  it('passes a stored file through', async () => {
    const path = await archive(zip(files));
    const entry = await openZipEntry(path, (name) => name === 'b.bin');
    expect(await buffer(entry.content)).toEqual(files['b.bin']);
  });

  it('says so when the file that is looked for is not there', async () => {
    const path = await archive(zip(files));
    await expect(openZipEntry(path, () => false)).rejects.toThrow(
      `${path} does not hold the file that is looked for.`,
    );
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['not a zip', Buffer.from('<html>404</html>'.repeat(10))],
    ['cut off', zip(files).subarray(0, 200)],
  ])('refuses an archive that is %s', async (_, bytes) => {
    const path = await archive(bytes);
    await expect(openZipEntry(path, () => true)).rejects.toThrow(
      `${path} is not a sound zip archive.`,
    );
  });
});
