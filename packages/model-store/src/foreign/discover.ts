import type { ModelFiles } from '@mobillm/core';
import { checkGguf, inspectGguf } from '../gguf/inspect-gguf.js';
import { ProgressReporter } from '../progress.js';
import type { ForeignContext } from './foreign-context.js';
import type { ForeignApp, FoundModel, UnreadModel } from './found-model.js';
import { listModels } from './list-models.js';

/** Finds the models of apps and reads their headers; what is no sound model is told and left out. */
export async function discoverModels(
  context: ForeignContext,
  apps: readonly ForeignApp[],
  progress: ProgressReporter,
): Promise<FoundModel[]> {
  const unread = await listModels(context, apps);
  const totalBytes = sum(unread.flatMap(({ files }) => files.map(({ fileBytes }) => fileBytes)));
  let doneBytes = 0;
  const found: FoundModel[] = [];
  for (const model of unread) {
    try {
      found.push(await readModel(context, model));
    } catch (error) {
      context.signal.throwIfAborted();
      context.tell(model.app, `the model "${model.name}"`, error);
    }
    doneBytes += sum(model.files.map(({ fileBytes }) => fileBytes));
    progress.advance({ phase: 'reading', doneBytes, totalBytes });
  }
  progress.finish({ phase: 'reading', doneBytes, totalBytes });
  return found;
}

/**
 * Reads the headers of a model that was found.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function readModel(
  { fs, signal }: ForeignContext,
  model: UnreadModel,
): Promise<FoundModel> {
  const { files, ...rest } = model;
  const silent = new ProgressReporter(undefined);
  const { description } = await inspectGguf(fs, files[0]?.path ?? '', silent, signal);
  for (const { path, role } of files) {
    if (role === 'projector' || role === 'adapter') await checkGguf(fs, path, signal);
  }
  const listed = files.map(({ path, fileBytes, role, sha256 }) => ({
    path,
    fileBytes,
    role,
    ...(sha256 !== undefined && { sha256 }),
  }));
  const modelFiles: ModelFiles = { format: 'gguf', files: listed };
  return { ...rest, files: modelFiles, description };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
