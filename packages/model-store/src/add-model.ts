import { MobillmError, wrongValue, type StoredModel } from '@mobillm/core';
import { inspectGguf, type InspectedFiles } from './gguf/inspect-gguf.js';
import { hashFiles } from './hash-files.js';
import type { ProgressReporter } from './progress.js';
import { recordModel } from './record-model.js';
import type { StoreContext } from './store-context.js';
import { changedFile, fileNotFound } from './store-errors.js';

/** A checked call of `add`. */
export interface AddRequest {
  /** Absolute path of the model's first file. */
  readonly path: string;
  readonly name: string;
  readonly placement: 'link' | 'move';
  /** The sha256 that the content must have. */
  readonly sha256: string | undefined;
}

/** Inspects, hashes and records a model. Until it is recorded, the store and the file are as before. */
export async function addModel(
  context: StoreContext,
  request: AddRequest,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { path, sha256 } = request;
  const inspected = await inspectGguf(context.fs, path, progress, signal);
  if (sha256 !== undefined && inspected.files.length > 1) {
    throw wrongValue('options.sha256', 'cannot be checked for a model in several files');
  }
  const hashes = await hashFiles(context.fs, inspected.files, progress, signal);
  const files = inspected.files.map((file, index) => ({
    path: file.path,
    fileBytes: file.fileBytes,
    role: 'weights' as const,
    sha256: hashes[index] ?? '',
  }));
  if (sha256 !== undefined) checkSha256(path, sha256, hashes[0]);
  await checkUnchanged(context, inspected);
  const { name, placement } = request;
  const { description } = inspected;
  const model = await recordModel(
    context,
    { name, format: 'gguf', placement, files, description },
    () => checkUnchanged(context, inspected),
    progress,
    signal,
  );
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  progress.finish({ phase: 'hashing', doneBytes: totalBytes, totalBytes });
  return model;
}

async function checkUnchanged({ fs }: StoreContext, { files }: InspectedFiles): Promise<void> {
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

function checkSha256(path: string, expected: string, actual: string | undefined): void {
  if (actual === expected) return;
  throw new MobillmError(
    'INTEGRITY_FAILED',
    `The file "${path}" does not have the content that was asked for: its sha256 is ${actual} and not ${expected}. Download it again.`,
    { details: { path, expectedSha256: expected, actualSha256: actual } },
  );
}
