import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { createInflateRaw } from 'node:zlib';

/** The end record, 22 bytes and a comment of up to 64 KiB, is looked for from the end. */
const endRecordBytes = 22;
const longestCommentBytes = 0xffff;

/**
 * Finds one file in a zip archive (PKWARE APPNOTE 6.3.3; no zip64, no encryption) and streams its
 * content.
 *
 * @param {string} path of the archive
 * @param {(name: string) => boolean} matches picks the file
 * @returns {Promise<{ name: string, fileBytes: number, content: import('node:stream').Readable }>}
 * @throws {Error} when the archive is damaged or holds no such file.
 */
export async function openZipEntry(path, matches) {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const directory = await readDirectory(file, size);
    const entry = directory.find(({ name }) => matches(name));
    if (entry === undefined) throw new Error(`${path} does not hold the file that is looked for.`);
    const local = await readBytes(file, entry.offset, 30);
    if (local.readUInt32LE(0) !== 0x04034b50) throw damaged(path);
    const start = entry.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    const stored = file.createReadStream({ start, end: start + entry.storedBytes - 1 });
    const content = entry.method === 8 ? createInflateRaw() : new PassThrough();
    stored.on('error', (error) => content.destroy(error));
    // A reader that stops early must not leave the file open.
    content.on('close', () => stored.destroy());
    stored.pipe(content);
    return { name: entry.name, fileBytes: entry.fileBytes, content };
  } catch (error) {
    await file.close();
    throw error;
  }

  async function readDirectory(handle, size) {
    const tailBytes = Math.min(size, endRecordBytes + longestCommentBytes);
    const tail = await readBytes(handle, size - tailBytes, tailBytes);
    const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
    if (at < 0 || at + endRecordBytes > tail.length) throw damaged(path);
    const count = tail.readUInt16LE(at + 10);
    const bytes = await readBytes(handle, tail.readUInt32LE(at + 16), tail.readUInt32LE(at + 12));
    const entries = [];
    for (let offset = 0, index = 0; index < count; index += 1) {
      if (bytes.length < offset + 46 || bytes.readUInt32LE(offset) !== 0x02014b50) {
        throw damaged(path);
      }
      const method = bytes.readUInt16LE(offset + 10);
      const nameBytes = bytes.readUInt16LE(offset + 28);
      const name = bytes.toString('utf8', offset + 46, offset + 46 + nameBytes);
      if (method === 0 || method === 8) {
        entries.push({
          name,
          method,
          storedBytes: bytes.readUInt32LE(offset + 20),
          fileBytes: bytes.readUInt32LE(offset + 24),
          offset: bytes.readUInt32LE(offset + 42),
        });
      }
      offset += 46 + nameBytes + bytes.readUInt16LE(offset + 30) + bytes.readUInt16LE(offset + 32);
    }
    return entries;
  }
}

async function readBytes(file, position, length) {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function damaged(path) {
  return new Error(`${path} is not a sound zip archive.`);
}
