import { MobillmError, type ModelDescription, type ModelFileRole } from '@mobillm/core';
import type { FileFacts, FileSystem } from '../file-system/file-system.js';
import { checkGguf, inspectGguf } from '../gguf/inspect-gguf.js';
import type { StoredFormat } from '../manifest/manifest.js';
import type { ProgressReporter } from '../progress.js';
import { chooseProjector, offersOf } from '../sources/choose-files.js';
import { fileNotFound, unreadable } from '../store-errors.js';
import { localTree } from './local-tree.js';
import { folderFormatOf, readFolder } from './read-folder.js';

/** A file of a model as it was when the model was looked at. */
export interface InspectedFile extends FileFacts {
  readonly path: string;
  readonly role: ModelFileRole;
  /** Path in the model's folder, where it has one. */
  readonly fileName?: string;
  /** What its content must have, where the model's index says it. */
  readonly sha256?: string;
  readonly md5?: string;
}

/** A model of this device, before its content was read. */
export interface InspectedModel {
  readonly format: StoredFormat;
  readonly files: readonly InspectedFile[];
  readonly description: ModelDescription;
}

/**
 * Looks at a model on this device: the first file of a GGUF model, or a folder with a model in any layout.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `INTEGRITY_FAILED`.
 */
export async function inspectModel(
  fs: FileSystem,
  path: string,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<InspectedModel> {
  const facts = await factsOf(fs, path);
  if (facts?.kind !== 'folder') return inspectWeights(fs, path, progress, signal);
  const tree = localTree(fs, path);
  const names = await tree.names();
  if (folderFormatOf(names) === undefined && names.some((name) => /\.gguf$/i.test(name))) {
    return inspectGgufFolder(fs, path, names, progress, signal);
  }
  return inspectFolder(fs, path, signal);
}

/** {@link inspectModel} of a folder whose layout is not GGUF's. */
export async function inspectFolder(
  fs: FileSystem,
  folder: string,
  signal: AbortSignal,
): Promise<InspectedModel> {
  const reading = await readFolder(localTree(fs, folder), signal);
  const inspected: InspectedFile[] = [];
  for (const { path: fileName, ...file } of reading.files) {
    const path = `${folder}/${fileName}`;
    const facts = await factsOf(fs, path);
    if (facts === undefined) throw fileNotFound(path, 'has gone while it was being added');
    inspected.push({ ...facts, ...file, path, fileName });
  }
  return { format: reading.format, files: inspected, description: await reading.describe() };
}

async function inspectWeights(
  fs: FileSystem,
  path: string,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<InspectedModel> {
  const { files, description } = await inspectGguf(fs, path, progress, signal);
  return {
    format: 'gguf',
    files: files.map((file) => ({ ...file, role: 'weights' })),
    description,
  };
}

/** A folder that holds one model in GGUF files, and maybe its projector. */
async function inspectGgufFolder(
  fs: FileSystem,
  folder: string,
  names: readonly string[],
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<InspectedModel> {
  const files = names.map((path) => ({ path, fileBytes: 0 }));
  const [offer, ...others] = offersOf(files);
  if (offer === undefined || others.length > 0) {
    const found = others.length > 0 ? 'several models' : 'no whole model';
    throw fileNotFound(
      folder,
      `is a folder with ${found} in GGUF files. Name the model file in it`,
    );
  }
  const model = await inspectWeights(fs, `${folder}/${offer.path}`, progress, signal);
  const projector = chooseProjector(files);
  if (projector === undefined) return model;
  const path = `${folder}/${projector.path}`;
  await checkGguf(fs, path, signal);
  const facts = await factsOf(fs, path);
  if (facts === undefined) throw fileNotFound(path, 'has gone while it was being added');
  return { ...model, files: [...model.files, { ...facts, path, role: 'projector' }] };
}

function factsOf(fs: FileSystem, path: string): Promise<FileFacts | undefined> {
  return fs.stat(path).catch((error: unknown) => {
    throw unreadable(error, path);
  });
}

/** The error for content that differs from what its model's index says. */
export function otherContent(path: string, kind: 'sha256' | 'md5'): MobillmError {
  return new MobillmError(
    'INTEGRITY_FAILED',
    `The model file "${path}" does not have the ${kind} that its model's index says: it was damaged or replaced. Download or copy it again.`,
    { details: { path, sum: kind } },
  );
}
