import type { FileSystem } from '../src/file-system/file-system.js';

/** What goes wrong at a call: an error of the system, or the end of the process. */
export type Fault = { readonly errno: string } | 'crash' | 'torn-crash';

/** Thrown where a real process would have ended; nothing after it reaches the disk. */
export class Crash extends Error {}

/** The calls that change something, in order, as `rename` or `writer.write`. */
export type Call = string;

/**
 * The real file system, on which the call of a number goes wrong. After a crash every further call
 * throws, as no further call happens in a process that has ended.
 */
export function faultyFileSystem(
  real: FileSystem,
  failAt: number,
  fault: Fault,
  processName = real.processName(),
): { readonly fs: FileSystem; readonly calls: readonly Call[] } {
  const calls: Call[] = [];
  let dead = false;

  const step = async <T>(call: Call, run: () => Promise<T>, torn?: () => Promise<unknown>) => {
    if (dead) throw new Crash('the process has ended');
    calls.push(call);
    if (calls.length - 1 !== failAt) return run();
    if (typeof fault !== 'string') {
      throw Object.assign(new Error(fault.errno), { code: fault.errno });
    }
    if (fault === 'torn-crash') await torn?.();
    dead = true;
    throw new Crash('the process ends here');
  };
  const alive = <T>(run: () => T): T => {
    if (dead) throw new Crash('the process has ended');
    return run();
  };

  const fs: FileSystem = {
    ...real,
    processName: () => processName,
    stat: (path) => alive(() => real.stat(path)),
    listFolder: (path) => alive(() => real.listFolder(path)),
    open: (path) => alive(() => real.open(path)),
    makeFolder: (path) => step('makeFolder', () => real.makeFolder(path)),
    rename: (from, to) => step('rename', () => real.rename(from, to)),
    link: (from, to) => step('link', () => real.link(from, to)),
    remove: (path) => step('remove', () => real.remove(path)),
    removeFolder: (path) => step('removeFolder', () => real.removeFolder(path)),
    syncFolder: (path) => step('syncFolder', () => real.syncFolder(path)),
    update: (path, length) =>
      step('update', async () => {
        const updater = await real.update(path, length);
        return {
          byteLength: updater.byteLength,
          read: (offset, bytes) => alive(() => updater.read(offset, bytes)),
          write: (parts, offset) =>
            step(
              'updater.write',
              () => updater.write(parts, offset),
              () => updater.write([parts[0]!.subarray(0, parts[0]!.byteLength >> 1)], offset),
            ),
          sync: () => step('updater.sync', () => updater.sync()),
          close: () => updater.close(),
        };
      }),
    create: (path) =>
      step('create', async () => {
        const writer = await real.create(path);
        return {
          write: (bytes) =>
            step(
              'write',
              () => writer.write(bytes),
              () => writer.write(bytes.subarray(0, bytes.byteLength >> 1)),
            ),
          sync: () => step('sync', () => writer.sync()),
          // A descriptor is closed by the system when its process ends.
          close: () => writer.close(),
        };
      }),
  };
  return { fs, calls };
}

/** A file system on which no file can have a second name, such as that of a memory card. */
export function withoutLinks(real: FileSystem): FileSystem {
  const refuse = () => Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' }));
  return { ...real, link: refuse };
}

/** A name as `processName` makes them, of a process that does not run. */
export function deadProcessName(real: FileSystem): string {
  const parts = real.processName().split('_');
  parts[2] = '999999999';
  return parts.join('_');
}
