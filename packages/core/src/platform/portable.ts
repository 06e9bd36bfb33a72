import { MobillmError } from '../errors/mobillm-error.js';
import type { Platform } from './platform.js';

const scope = globalThis as {
  readonly navigator?: {
    readonly hardwareConcurrency?: number;
    readonly deviceMemory?: number;
    readonly product?: string;
  };
};

/** Browsers and React Native: what the standard globals tell, and nothing else. */
export const platform: Platform = {
  os: scope.navigator?.product === 'ReactNative' ? 'react-native' : 'browser',
  arch: '',
  readTextFile: () => Promise.resolve(undefined),
  listFolder: () => Promise.resolve([]),
  runCommand: () => Promise.resolve(undefined),
  cpuModel: () => undefined,
  availableParallelism: () => scope.navigator?.hardwareConcurrency ?? 1,
  totalMemoryBytes: () =>
    scope.navigator?.deviceMemory === undefined
      ? undefined
      : scope.navigator.deviceMemory * 2 ** 30,
  freeMemoryBytes: () => undefined,
  openFile: (path) =>
    Promise.reject(
      new MobillmError(
        'UNSUPPORTED',
        `This platform has no file system of its own, so "${path}" cannot be read here. Pass the model as a ByteSource instead.`,
        { details: { path } },
      ),
    ),
  fileState: () => Promise.resolve(undefined),
  cacheFolder: () => undefined,
  makeFolder: (path) => Promise.reject(cannotWrite(path)),
  writeFileAtomically: (path) => Promise.reject(cannotWrite(path)),
  createSha256() {
    throw new MobillmError(
      'UNSUPPORTED',
      'This platform has no sha256 that takes its input in pieces, so no file can be hashed here. Pass the sha256 that the model store recorded for the file.',
    );
  },
};

function cannotWrite(path: string): MobillmError {
  return new MobillmError(
    'UNSUPPORTED',
    `This platform has no file system of its own, so "${path}" cannot be written here.`,
    { details: { path } },
  );
}
