import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { pipeline } from 'node:stream/promises';
import type { ByteSource } from '@mobillm/core';
import type { System } from './system.js';

/** Node.js, Electron and Termux. */
export const system: System = {
  os: process.platform,
  arch: process.arch,
  homeFolder: homedir(),
  // An empty variable is how a shell unsets one for a single command.
  environment: (name) => process.env[name] || undefined,
  isFile: (path) =>
    stat(path).then(
      (entry) => entry.isFile(),
      () => false,
    ),
  listFolder: (path) => readdir(path).catch(() => []),
  files: {
    open: openFile,
    makeFolder: async (path) => (await mkdir(path, { recursive: true })) !== undefined,
    makeTemporaryFolder: (prefix) => mkdtemp(prefix),
    async writeText(path, text) {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
    },
    rename,
    remove: (path) => rm(path, { recursive: true, force: true }),
    removeIfEmpty: (path) => rmdir(path).catch(() => undefined),
    async sha256(path, signal) {
      const hash = createHash('sha256');
      try {
        await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, {
          ...(signal && { signal }),
        });
      } catch (error) {
        throw signal?.aborted ? signal.reason : error;
      }
      return hash.digest('hex');
    },
    stamp: (path) =>
      stat(path, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(' '),
        () => 'missing',
      ),
    ageMs: (path) =>
      stat(path).then(
        (entry) => Date.now() - entry.mtimeMs,
        () => undefined,
      ),
  },
};

async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return {
      byteLength: size,
      read: (offset, length) => readWhole(handle, offset, length),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The system may give fewer bytes than there are. */
async function readWhole(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
