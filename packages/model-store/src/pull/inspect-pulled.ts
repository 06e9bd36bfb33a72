import type { ModelDescription, ModelFileRole } from '@mobillm/core';
import type { FileSystem } from '../file-system/file-system.js';
import { inspectFolder, otherContent } from '../formats/inspect-model.js';
import { checkGguf, inspectGguf } from '../gguf/inspect-gguf.js';
import { hashFiles } from '../hash-files.js';
import { ProgressReporter } from '../progress.js';

/** A file that has come, in the folder that all of its model are in. */
interface PulledFile {
  readonly fileName: string;
  readonly role: ModelFileRole;
  readonly fileBytes: number;
  readonly sha256: string;
}

/** What was found in files that have come. */
export interface PulledModel {
  readonly description: ModelDescription;
  /** What the model's own index says of files, by their names. */
  readonly md5s: ReadonlyMap<string, string>;
}

const silent = new ProgressReporter(undefined);

/**
 * Checks the GGUF files of a model.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function inspectGgufFiles(
  fs: FileSystem,
  folder: string,
  files: readonly PulledFile[],
  signal: AbortSignal,
): Promise<PulledModel> {
  const first = files.find(({ role }) => role === 'weights');
  for (const file of files) {
    const isGguf = ['weights', 'projector', 'adapter'].includes(file.role);
    if (isGguf && file !== first) await checkGguf(fs, `${folder}/${file.fileName}`, signal);
  }
  const { description } = await inspectGguf(fs, `${folder}/${first?.fileName}`, silent, signal);
  return { description, md5s: new Map() };
}

/**
 * Checks a model in a folder, and its files by the sums that its own index says.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `INTEGRITY_FAILED`.
 */
export async function inspectPulledFolder(
  fs: FileSystem,
  folder: string,
  files: readonly PulledFile[],
  signal: AbortSignal,
): Promise<PulledModel> {
  const inspected = await inspectFolder(fs, folder, signal);
  const sums = new Map(files.map(({ fileName, sha256 }) => [fileName, sha256]));
  const md5s = new Map<string, string>();
  for (const { fileName = '', path, fileBytes, sha256, md5 } of inspected.files) {
    if (sha256 !== undefined && sha256 !== sums.get(fileName)) throw otherContent(path, 'sha256');
    if (md5 === undefined) continue;
    md5s.set(fileName, md5);
    await hashFiles(fs, [{ path, fileBytes, md5 }], silent, signal, () => {
      throw otherContent(path, 'md5');
    });
  }
  return { description: inspected.description, md5s };
}
