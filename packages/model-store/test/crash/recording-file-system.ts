import type { FileSystem } from '../../src/file-system/file-system.js';
import type { DiskCall } from './recorded-disk.js';

/** The real file system, and what is done through it to the files under a folder, with paths from there. */
export function recordingFileSystem(
  real: FileSystem,
  root: string,
  processName: string,
): { readonly fs: FileSystem; readonly calls: readonly DiskCall[] } {
  const calls: DiskCall[] = [];
  let files = 0;
  const own = (path: string) => {
    if (path === root) return '';
    if (!path.startsWith(`${root}/`)) throw new Error(`${path} is not under ${root}`);
    return path.slice(root.length + 1);
  };
  /** What has not happened is not recorded. */
  const after = async <T>(done: Promise<T>, call: DiskCall): Promise<T> => {
    const result = await done;
    calls.push(call);
    return result;
  };

  const fs: FileSystem = {
    ...real,
    processName: () => processName,
    makeFolder: (path) => after(real.makeFolder(path), { call: 'makeFolder', path: own(path) }),
    syncFolder: (path) => after(real.syncFolder(path), { call: 'syncFolder', path: own(path) }),
    removeFolder: (path) =>
      after(real.removeFolder(path), { call: 'removeFolder', path: own(path) }),
    remove: (path) => after(real.remove(path), { call: 'remove', path: own(path) }),
    rename: (from, to) =>
      after(real.rename(from, to), { call: 'rename', from: own(from), to: own(to) }),
    link: (from, to) => after(real.link(from, to), { call: 'link', from: own(from), to: own(to) }),
    async create(path) {
      const file = files++;
      const writer = await after(real.create(path), { call: 'open', file, path: own(path) });
      let offset = 0;
      return {
        async write(bytes) {
          const at = offset;
          offset += bytes.byteLength;
          const copy = bytes.slice();
          await after(writer.write(bytes), { call: 'write', file, offset: at, bytes: copy });
        },
        sync: () => after(writer.sync(), { call: 'sync', file }),
        close: () => writer.close(),
      };
    },
    async update(path, length) {
      const file = files++;
      const opened = real.update(path, length);
      const updater = await after(opened, { call: 'open', file, path: own(path) });
      calls.push({ call: 'resize', file, length });
      return {
        byteLength: updater.byteLength,
        read: (offset, bytes) => updater.read(offset, bytes),
        async write(parts, offset) {
          const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
          let at = 0;
          for (const part of parts) {
            bytes.set(part, at);
            at += part.byteLength;
          }
          await after(updater.write(parts, offset), { call: 'write', file, offset, bytes });
        },
        sync: () => after(updater.sync(), { call: 'sync', file }),
        close: () => updater.close(),
      };
    },
  };
  return { fs, calls };
}
