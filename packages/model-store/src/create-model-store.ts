import { fileSystem as ownFileSystem } from '#file-system';
import { createTransport } from '#http';
import { check, MobillmError, wrongType, type StoredModel } from '@mobillm/core';
import type { DeviceModelStore } from './device-model-store.js';
import type { FileSystem } from './file-system/file-system.js';
import { HttpClient } from './http/http-client.js';
import { FolderModelStore } from './model-store.js';

/** Options of {@link createModelStore}. */
export interface ModelStoreOptions {
  /**
   * Folder of the store; made when the first model is added. By default `MOBILLM_HOME`, else the
   * platform's place for application data: `$XDG_DATA_HOME/mobillm` or `~/.local/share/mobillm`
   * (Linux, Termux), `~/Library/Application Support/mobillm` (macOS), `%LOCALAPPDATA%/mobillm`
   * (Windows).
   */
  readonly directory?: string;
  /** File system to use; Node's own by default. React Native and browsers have to be given one. */
  readonly fileSystem?: FileSystem;
  /**
   * Told of what does not make a call fail: a damaged record that `list` leaves out, an original
   * that could not be deleted after a move. Default: nobody is told.
   */
  readonly onProblem?: (error: MobillmError) => void;
  /**
   * Bytes that all owned models may have together; no limit by default. Before another one comes, those
   * that were used least lately are deleted, unless they are pinned. Linked models do not count.
   */
  readonly maxBytes?: number;
  /** Told of each model that was deleted to make room. */
  readonly onEvicted?: (model: StoredModel) => void;
}

const checkFileSystem: check.Check<FileSystem> = (value, key) => {
  if (typeof value !== 'object' || value === null) throw wrongType(key, 'a FileSystem', value);
  return value as FileSystem;
};

const checkOptions = check.optionsObject({
  directory: check.string({ nonEmpty: true }),
  fileSystem: checkFileSystem,
  onProblem: check.callback<(error: MobillmError) => void>(),
  maxBytes: check.integer({ min: 0 }),
  onEvicted: check.callback<(model: StoredModel) => void>(),
});

/**
 * Opens the model store in a folder. Nothing is read or written yet. Several stores, in several
 * processes too, may be open on one folder.
 *
 * @throws MobillmError `UNSUPPORTED` where there is no file system, or no folder can be chosen.
 * @throws InvalidArgument for a wrong option.
 */
export function createModelStore(options?: ModelStoreOptions): DeviceModelStore {
  const checked = checkOptions(options, 'options');
  const { directory, fileSystem, onProblem, maxBytes, onEvicted } = checked;
  const fs = fileSystem ?? ownFileSystem;
  if (fs === undefined) {
    throw new MobillmError(
      'UNSUPPORTED',
      'There is no file system here that the model store knows. Pass one as the option "fileSystem".',
    );
  }
  const folder = directory ?? fs.defaultDirectory();
  if (folder === undefined) {
    throw new MobillmError(
      'UNSUPPORTED',
      'The environment does not say where application data belongs. Pass the option "directory", or set MOBILLM_HOME.',
    );
  }
  return new FolderModelStore(
    fs.resolvePath(folder),
    fs,
    new HttpClient(createTransport()),
    onProblem,
    { maxBytes, onEvicted },
  );
}
