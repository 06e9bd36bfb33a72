import {
  check,
  MobillmError,
  wrongType,
  wrongValue,
  type ModelFile,
  type ModelFileRole,
  type ModelSource,
  type StoredModel,
} from '@mobillm/core';
import { isSha256 } from '../is-sha256.js';
import { checkSha256, sourceOf } from '../add-model.js';
import type { FileSystem } from '../file-system/file-system.js';
import { checkGguf, inspectGguf } from '../gguf/inspect-gguf.js';
import { hashFiles } from '../hash-files.js';
import { modelFileRoles } from '../manifest/manifest.js';
import { checkModelName, nameOfFile } from '../model-name.js';
import type { ProgressReporter } from '../progress.js';
import { recordModel, type FileToRecord } from '../record-model.js';
import { parseReference } from '../reference/parse-reference.js';
import { nameInRepository } from '../sources/hub.js';
import type { StoreContext } from '../store-context.js';
import { changedFile, fileNotFound } from '../store-errors.js';
import { foreignApps, type FoundFile, type FoundModel, type UnreadModel } from './found-model.js';

/** How a model that was found is added. */
export interface AddFoundRequest {
  readonly name: string;
  readonly placement: 'link' | 'move';
  readonly hash: 'now' | 'later';
  readonly sha256?: string | undefined;
  /** What it was made from; a name alone is one of the store. */
  readonly derivedFrom?: string | ModelSource | undefined;
}

/** A file as it is now. */
type FileNow = FileToRecord & { readonly modifiedMs: number };

/** Records a model of another app, whose files stay as they are. */
export async function addFound(
  context: StoreContext,
  model: UnreadModel,
  request: AddFoundRequest,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { fs } = context;
  const { name, placement, sha256 } = request;
  const derivedFrom = await sourceOf(context, request.derivedFrom);
  const weights = model.files.filter(({ role }) => role === 'weights');
  if (sha256 !== undefined && weights.length > 1) {
    throw wrongValue('options.sha256', 'cannot be checked for a model in several files');
  }
  const inspected = await inspectGguf(fs, weights[0]?.path ?? '', progress, signal);
  if (inspected.files.some(({ path }, index) => path !== weights[index]?.path)) {
    throw new MobillmError(
      'MODEL_INVALID',
      `The model "${model.name}" has other files than were found. Look for it again.`,
      { details: { name: model.name } },
    );
  }
  const files = await Promise.all(model.files.map((file) => filesNow(context, file)));
  for (const { path, role } of files) {
    if (role === 'projector' || role === 'adapter') await checkGguf(fs, path, signal);
  }
  const reads = request.hash === 'now' || sha256 !== undefined;
  const sums = reads ? await hashFiles(fs, files, progress, signal) : [];
  const hashed = files.map((file, index) => {
    const { sha256: named, ...rest } = file;
    // The name of a file is believed where it lies, and not of what the store takes in.
    const sum = reads ? sums[index] : placement === 'link' ? named : undefined;
    return { ...rest, ...(sum !== undefined && { sha256: sum }) };
  });
  if (sha256 !== undefined) checkSha256(weights[0]?.path ?? '', sha256, hashed[0]?.sha256);
  const { app, reference, revision } = model;
  const stored = await recordModel(
    context,
    {
      name,
      format: 'gguf',
      placement,
      files: hashed,
      description: inspected.description,
      ...(reference !== undefined && {
        origin: { reference, ...(revision !== undefined && { revision }) },
      }),
      ...(app !== 'folder' && { app }),
      ...(derivedFrom !== undefined && { derivedFrom }),
    },
    async () => {
      for (const file of files) await filesNow(context, file);
    },
    progress,
    signal,
  );
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  progress.finish({ phase: reads ? 'hashing' : 'reading', doneBytes: totalBytes, totalBytes });
  return stored;
}

/** A name for a model of an app: the one it has there, unless the store takes no such names. */
export function nameOfFound({ name, files }: UnreadModel): string {
  try {
    return checkModelName(name, 'name');
  } catch {
    return nameOfFile(files[0]?.path ?? name);
  }
}

/** A name for a model that stands for one that is pulled: the one that it would get. */
export function nameAsPulled(model: UnreadModel): string {
  const [{ sourcePath } = {}] = model.files as readonly Partial<FoundFile>[];
  const { repository } = repositoryOf(model.reference) ?? {};
  if (repository === undefined || sourcePath === undefined) return nameOfFound(model);
  return nameOfFound({ ...model, name: nameInRepository(repository, sourcePath) });
}

function repositoryOf(reference: string | undefined): { readonly repository: string } | undefined {
  try {
    const parsed = parseReference(reference);
    return 'repository' in parsed ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Checks that a model may be one that was found; whether its files are still so is seen when it is added. */
export const checkFound: check.Check<FoundModel> = (value, key) => {
  const model = value as Partial<FoundModel> | null;
  const files: unknown = model?.files?.files;
  const isFile = (file: Partial<ModelFile> | null) =>
    typeof file?.path === 'string' &&
    typeof file.fileBytes === 'number' &&
    modelFileRoles.includes(file.role as ModelFileRole) &&
    (file.sha256 === undefined || isSha256(file.sha256));
  if (typeof model?.name !== 'string' || !Array.isArray(files) || !files.every(isFile)) {
    throw wrongType(key, 'a path, a reference or a model that was found', value);
  }
  check.oneOf(...foreignApps)(model.app, `${key}.app`);
  return model as FoundModel;
};

/** A model that somebody hands back, as it was found. */
export function asUnread(model: FoundModel, fs: FileSystem): UnreadModel {
  const { files, description, ...rest } = model;
  return {
    ...rest,
    files: files.files.map(({ path, fileBytes = 0, role, sha256 }) => ({
      path: fs.resolvePath(path),
      fileBytes,
      role,
      ...(sha256 !== undefined && { sha256 }),
    })),
  };
}

/**
 * @throws MobillmError `FILE_NOT_FOUND` for a file that has gone, `INTEGRITY_FAILED` for one that is another
 * now.
 */
async function filesNow(
  { fs }: StoreContext,
  file: UnreadModel['files'][number],
): Promise<FileNow> {
  const { path, fileBytes, modifiedMs } = file;
  const facts = await fs.stat(path);
  if (facts?.kind !== 'file') {
    throw fileNotFound(path, 'has gone since it was found. Look for its model again');
  }
  const isSame = facts.fileBytes === fileBytes;
  if (!isSame || (modifiedMs !== undefined && facts.modifiedMs !== modifiedMs)) {
    throw changedFile(path, 'it was written to since it was found');
  }
  return { ...file, modifiedMs: facts.modifiedMs, isForeign: true };
}
