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
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<PulledModel> {
  const inspected = await inspectFolder(fs, folder, signal);
  const sums = new Map(files.map(({ fileName, sha256 }) => [fileName, sha256]));
  const wrong = inspected.files.find(
    ({ fileName = '', sha256 }) => sha256 !== undefined && sha256 !== sums.get(fileName),
  );
  if (wrong !== undefined) throw otherContent(wrong.path, 'sha256');
  const summed = inspected.files.filter(({ md5 }) => md5 !== undefined);
  await hashFiles(fs, summed, progress, signal, (index) => {
    throw otherContent(summed[index]?.path ?? folder, 'md5');
  });
  return {
    description: inspected.description,
    md5s: new Map(summed.map(({ fileName = '', md5 = '' }) => [fileName, md5])),
  };
}
