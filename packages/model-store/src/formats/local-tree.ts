import type { ByteSource } from '@mobillm/core';
import type { FileSystem } from '../file-system/file-system.js';
import { unreadable } from '../store-errors.js';
import type { FileTree } from './file-tree.js';

/** More than any folder of a model holds; a folder of another kind is not looked through. */
const maxNames = 20_000;

/** A folder of this device. Links in it are followed: a cache of another program is made of them. */
export function localTree(fs: FileSystem, folder: string): FileTree {
  const full = (path: string) => `${folder}/${path}`;
  const attempt = <T>(path: string, promise: Promise<T>) =>
    promise.catch((error: unknown) => {
      throw unreadable(error, path);
    });
  return {
    where: folder,
    async names() {
      const names = await attempt(folder, fs.listFolder(folder));
      return names.slice(0, maxNames).sort();
    },
    async sizeOf(path) {
      const facts = await attempt(full(path), fs.stat(full(path)));
      return facts?.kind === 'file' ? facts.fileBytes : undefined;
    },
    async open(path, signal): Promise<ByteSource> {
      signal.throwIfAborted();
      const source = await attempt(full(path), fs.open(full(path)));
      return {
        byteLength: source.byteLength,
        read: (offset, length) => attempt(full(path), source.read(offset, length)),
        close: () => source.close(),
      };
    },
  };
}
