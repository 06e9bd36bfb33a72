import type { Platform } from '../../src/platform/platform.js';

/** Files, commands and runtime readings of a made-up system. */
export interface FakeSystem {
  readonly os?: string;
  readonly arch?: string;
  /** Text by path; a list of texts is handed out one a read, its last one from then on. */
  readonly files?: Readonly<Record<string, string | readonly string[]>>;
  /** Output by command line. */
  readonly commands?: Readonly<Record<string, string>>;
  readonly cpuModel?: string;
  readonly availableParallelism?: number;
  readonly totalMemoryBytes?: number;
  readonly freeMemoryBytes?: number;
}

/** A platform that knows these files and nothing else. */
export function fakePlatform(system: FakeSystem): Platform {
  const files = system.files ?? {};
  const reads = new Map<string, number>();
  return {
    os: system.os ?? 'linux',
    arch: system.arch ?? 'arm64',
    readTextFile(path) {
      const content = files[path];
      if (content === undefined || typeof content === 'string') return Promise.resolve(content);
      const read = reads.get(path) ?? 0;
      reads.set(path, read + 1);
      return Promise.resolve(content[Math.min(read, content.length - 1)]);
    },
    listFolder(path) {
      const names = Object.keys(files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1).split('/')[0] ?? '');
      return Promise.resolve([...new Set(names)]);
    },
    runCommand: (command, args) => Promise.resolve(system.commands?.[[command, ...args].join(' ')]),
    cpuModel: () => system.cpuModel,
    availableParallelism: () => system.availableParallelism ?? 1,
    totalMemoryBytes: () => system.totalMemoryBytes,
    freeMemoryBytes: () => system.freeMemoryBytes,
    openFile: (path) => Promise.reject(new Error(`no file ${path}`)),
    fileState: () => Promise.resolve(undefined),
    cacheFolder: () => undefined,
    makeFolder: () => Promise.reject(new Error('nothing is written here')),
    writeFileAtomically: () => Promise.reject(new Error('nothing is written here')),
    createSha256() {
      throw new Error('no hashes');
    },
  };
}
