import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, homedir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Platform } from './platform.js';

const run = promisify(execFile);

/** Without it, opening a pipe waits for somebody to write into it. Windows has no such flag. */
const nonBlocking = (constants as { readonly O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

/** Node.js, Electron and Termux. */
export const platform: Platform = {
  os: process.platform,
  arch: process.arch,
  readTextFile: (path) => readFile(path, 'utf8').catch(() => undefined),
  listFolder: (path) => readdir(path).catch(() => []),
  runCommand: (command, args) =>
    run(command, [...args], { timeout: 2000, windowsHide: true }).then(
      ({ stdout }) => stdout,
      () => undefined,
    ),
  // "unknown" is what Node says of most Arm processors.
  cpuModel: () =>
    cpus()[0]
      ?.model.trim()
      .replace(/^unknown$/, '') || undefined,
  availableParallelism,
  totalMemoryBytes: totalmem,
  freeMemoryBytes: freemem,
  async openFile(path) {
    const handle = await open(path, constants.O_RDONLY | nonBlocking);
    try {
      const stats = await handle.stat();
      const { size } = stats;
      // Linux opens a folder gladly and fails at the first read; Windows fails here.
      if (stats.isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
      if (!stats.isFile()) throw Object.assign(new Error('is no file'), { code: 'ENOTSUP' });
      return {
        byteLength: size,
        async read(offset, length) {
          const buffer = new Uint8Array(length);
          let filled = 0;
          while (filled < length) {
            const { bytesRead } = await handle.read(
              buffer,
              filled,
              length - filled,
              offset + filled,
            );
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return buffer.subarray(0, filled);
        },
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  async fileState(path) {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (!stats?.isFile()) return undefined;
    const { dev, ino, size, mtimeNs, ctimeNs } = stats;
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join(':');
    return { identity, changedAtMs: Number(stats.ctimeMs) };
  },
  cacheFolder() {
    const { MOBILLM_CACHE_DIR, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
    if (MOBILLM_CACHE_DIR) return MOBILLM_CACHE_DIR;
    const local = process.platform === 'win32' ? LOCALAPPDATA : undefined;
    return join(XDG_CACHE_HOME || local || join(homedir(), '.cache'), 'mobillm');
  },
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  async writeFileAtomically(path, pieces) {
    const there = await stat(path).catch(() => undefined);
    // A device or a pipe would be replaced by the file, for everybody.
    if (there && !there.isFile() && !there.isDirectory()) {
      throw Object.assign(new Error('is no file'), { code: 'ENOTSUP' });
    }
    const aside = `${path}.${randomUUID()}.part`;
    const handle = await open(aside, 'wx', 0o600);
    try {
      try {
        for await (const piece of pieces) await handle.writeFile(piece);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(aside, path);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  },
  createSha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
  },
};
