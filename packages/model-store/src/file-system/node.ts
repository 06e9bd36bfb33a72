import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  link,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rmdir,
  stat,
  statfs,
  symlink,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { defaultDirectory } from './default-directory.js';
import type { FileSystem, Sha256 } from './file-system.js';
import { hashOnThread } from './hash-thread.js';
import { isProcessAlive, processName } from './process-name.js';

/** Node.js, Electron and Termux. */
export const nodeFileSystem: FileSystem = {
  defaultDirectory: () => defaultDirectory(process.platform, process.env),
  environment: () => process.env,
  resolvePath: (path) => resolve(path).replaceAll('\\', '/'),
  realPath: (path) => realpath(path),
  async stat(path) {
    // Numbers of files may have 64 bits.
    const facts = await orUndefined(stat(path, { bigint: true }), ['ENOENT', 'ENOTDIR']);
    if (facts === undefined) return undefined;
    return {
      kind: facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : 'other',
      fileBytes: Number(facts.size),
      modifiedMs: Number(facts.mtimeNs) / 1e6,
      fileId: `${facts.dev}:${facts.ino}`,
    };
  },
  listFolder: async (path) => (await orUndefined(readdir(path), ['ENOENT'])) ?? [],
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  async open(path) {
    // A pipe would keep who opens it waiting until somebody writes to it.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) {
        const code = facts.isDirectory() ? 'EISDIR' : 'ENXIO';
        throw Object.assign(new Error(`${code}: "${path}" is not a file`), { code });
      }
      return {
        byteLength: facts.size,
        read: (offset, length) => readAt(handle, offset, length),
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  async create(path) {
    const handle = await open(path, 'wx', 0o644);
    return {
      async write(bytes) {
        let written = 0;
        while (written < bytes.byteLength) {
          written += (await handle.write(bytes, written)).bytesWritten;
        }
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  async update(path, length) {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      const { size } = await handle.stat();
      if (size !== length) await handle.truncate(length);
      return {
        byteLength: size,
        read: (offset, bytes) => readAt(handle, offset, bytes),
        write: (parts, offset) => writeAt(handle, parts, offset),
        sync: () => handle.sync(),
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  async freeBytes(path) {
    const facts = await orUndefined(statfs(path), ['ENOENT', 'ENOSYS', 'ENOTSUP']);
    return facts === undefined ? undefined : facts.bavail * facts.bsize;
  },
  rename,
  link,
  symlink: (target, path) => symlink(target, path),
  remove: (path) => orUndefined(unlink(path), ['ENOENT']),
  removeFolder: (path) => orUndefined(rmdir(path), ['ENOENT']),
  async syncFolder(path) {
    // Windows cannot open a folder, and needs no such call.
    if (process.platform === 'win32') return;
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      // Some file systems of Android and of network disks refuse to sync a folder.
      await orUndefined(handle.sync(), ['EINVAL', 'ENOTSUP', 'EBADF']);
    } finally {
      await handle.close();
    }
  },
  crc32: (bytes, before) => crc32(bytes, before),
  createSha256: () => startHash('sha256'),
  createMd5: () => startHash('md5'),
  hashFile: hashOnThread,
  processName,
  isProcessAlive,
};

/** What `#file-system` means under Node; elsewhere there may be none. */
export const fileSystem: FileSystem | undefined = nodeFileSystem;

function startHash(algorithm: string): Sha256 {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function writeAt(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  offset: number,
): Promise<void> {
  let left = parts.filter(({ byteLength }) => byteLength > 0);
  while (left.length > 0) {
    let { bytesWritten } = await handle.writev(left, offset);
    offset += bytesWritten;
    // Short writes are rare: a signal, or a disk that is nearly full.
    left = left.flatMap((part) => {
      const done = Math.min(bytesWritten, part.byteLength);
      bytesWritten -= done;
      return done === part.byteLength ? [] : [part.subarray(done)];
    });
  }
}

/** The result, or `undefined` for errors of these names. */
function orUndefined<T>(promise: Promise<T>, codes: readonly string[]): Promise<T | undefined> {
  return promise.catch((error: unknown) => {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  });
}
