import { MobillmError, wrongValue, type ModelSource, type StoredModel } from '@mobillm/core';
import type { FileSystem } from './file-system/file-system.js';
import { findManifest } from './find-model.js';
import { readBlobName, type NamedBlob } from './foreign/blob-name.js';
import { inspectModel, otherContent, type InspectedModel } from './formats/inspect-model.js';
import { hashFiles } from './hash-files.js';
import { realPath } from './originals.js';
import type { ProgressReporter } from './progress.js';
import { recordModel } from './record-model.js';
import type { StoreContext } from './store-context.js';
import { changedFile, fileNotFound } from './store-errors.js';

/** A checked call of `add`. */
export interface AddRequest {
  /** Absolute path of the model's first file, or of its folder. */
  readonly path: string;
  readonly name: string;
  readonly placement: 'link' | 'move';
  /** The sha256 that the content must have. */
  readonly sha256?: string | undefined;
  /** When to compute the sha256 of the files. */
  readonly hash: 'now' | 'later';
  /** What it was made from; a name alone is one of the store. */
  readonly derivedFrom?: string | ModelSource | undefined;
}

/** Inspects and records a model, and hashes it where that is asked for. Until it is recorded, the store and the file are as before. */
export async function addModel(
  context: StoreContext,
  request: AddRequest,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { path, sha256 } = request;
  const derivedFrom = await sourceOf(context, request.derivedFrom);
  const inspected = await inspectModel(context.fs, path, progress, signal);
  if (sha256 !== undefined && inspected.files.length > 1) {
    throw wrongValue('options.sha256', 'cannot be checked for a model in several files');
  }
  const reads = request.hash === 'now' || sha256 !== undefined;
  const blobs = await blobNames(context, inspected);
  // Small files of a cache are not named after their sha256, and belong to it all the same.
  const app = blobs.find((blob) => blob !== undefined)?.app;
  const hashes = reads
    ? await hashContent(context.fs, inspected, progress, signal)
    : request.placement === 'link'
      ? blobs.map((blob) => blob?.sha256)
      : // Nothing is believed of what the store takes in: others would be given that content.
        [];
  const files = inspected.files.map((file, index) => {
    const { path, fileName, fileBytes, modifiedMs, role, md5, sha256: indexSha256 } = file;
    const known = hashes[index];
    return {
      path,
      ...(fileName !== undefined && { fileName }),
      fileBytes,
      modifiedMs,
      role,
      isForeign: app !== undefined,
      ...(known !== undefined && { sha256: known }),
      ...(indexSha256 !== undefined && { indexSha256 }),
      ...(md5 !== undefined && { md5 }),
    };
  });
  if (sha256 !== undefined) checkSha256(path, sha256, hashes[0]);
  await checkUnchanged(context, inspected);
  const { name, placement } = request;
  const { format, description } = inspected;
  const model = await recordModel(
    context,
    {
      ...{ name, format, placement, files, description },
      ...(derivedFrom && { derivedFrom }),
      ...(app !== undefined && { app }),
    },
    () => checkUnchanged(context, inspected),
    progress,
    signal,
  );
  if (placement === 'move') await removeEmptied(context.fs, path, inspected);
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  progress.finish({ phase: reads ? 'hashing' : 'reading', doneBytes: totalBytes, totalBytes });
  return model;
}

/** What the names of files tell, for those that an app named after their content. */
async function blobNames(
  context: StoreContext,
  { files }: InspectedModel,
): Promise<(NamedBlob | undefined)[]> {
  const paths = await Promise.all(files.map(({ path }) => realPath(context, path)));
  return paths.map((path) => (path === undefined ? undefined : readBlobName(path)));
}

/** Reads all files, and compares them with the sums that the model's own index says. */
async function hashContent(
  fs: FileSystem,
  { files }: InspectedModel,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<string[]> {
  const hashes = await hashFiles(fs, files, progress, signal, (index) => {
    throw otherContent(files[index]?.path ?? '', 'md5');
  });
  const wrong = files.find(({ sha256 }, index) => sha256 !== undefined && sha256 !== hashes[index]);
  if (wrong !== undefined) throw otherContent(wrong.path, 'sha256');
  return hashes;
}

/** Deletes a model's folder, and those in it, if nothing is left in them. */
async function removeEmptied(
  fs: FileSystem,
  folder: string,
  { files }: InspectedModel,
): Promise<void> {
  const folders = new Set<string>();
  for (const { fileName } of files) {
    const names = fileName?.split('/') ?? [];
    names.forEach((_, index) => folders.add([folder, ...names.slice(0, index)].join('/')));
  }
  for (const emptied of [...folders].sort((a, b) => b.length - a.length)) {
    // One that is not empty, or a link, stays; that costs nothing.
    await fs.removeFolder(emptied).catch(() => undefined);
  }
}

/** Looks up in the store what is given by its name alone. */
export async function sourceOf(
  context: StoreContext,
  source: string | ModelSource | undefined,
): Promise<ModelSource | undefined> {
  if (typeof source !== 'string') return source;
  const { name, files } = await findManifest(context, source);
  const sha256 = files.find(({ role }) => role === 'weights')?.sha256;
  return { name, ...(sha256 !== undefined && { sha256 }) };
}

async function checkUnchanged({ fs }: StoreContext, { files }: InspectedModel): Promise<void> {
  for (const { path, fileBytes, modifiedMs } of files) {
    const now = await fs.stat(path);
    if (now === undefined) {
      throw fileNotFound(path, 'has gone while it was being added. Put it back and add it again');
    }
    if (now.fileBytes !== fileBytes || now.modifiedMs !== modifiedMs) {
      throw changedFile(path, 'it was written to while it was being read');
    }
  }
}

/**
 * @throws MobillmError `INTEGRITY_FAILED` when a file has other content than was asked for.
 */
export function checkSha256(path: string, expected: string, actual: string | undefined): void {
  if (actual === expected) return;
  throw new MobillmError(
    'INTEGRITY_FAILED',
    `The file "${path}" does not have the content that was asked for: its sha256 is ${actual} and not ${expected}. Download it again.`,
    { details: { path, expectedSha256: expected, actualSha256: actual } },
  );
}
