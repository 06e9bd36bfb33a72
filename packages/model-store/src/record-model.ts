import {
  MobillmError,
  type ModelDescription,
  type ModelFileRole,
  type ModelOrigin,
  type ModelSource,
  type StoredModel,
} from '@mobillm/core';
import { ContentComparer } from './compare-content.js';
import type { ForeignApp } from './foreign/found-model.js';
import { areInPlace } from './files-in-place.js';
import { joinCopies } from './house/join-copies.js';
import { makeRoom } from './house/make-room.js';
import {
  absoluteFiles,
  toStoredModel,
  type Manifest,
  type ManifestFile,
} from './manifest/manifest.js';
import type { WorkFolder } from './lock.js';
import { deletableOriginals, deleteOriginals, liesInStore } from './originals.js';
import { placeFiles, stageFiles, type FileToPlace } from './place-files.js';
import type { ProgressReporter } from './progress.js';
import { recordHashes } from './record-hashes.js';
import { removeTree } from './remove-tree.js';
import type { StoreContext } from './store-context.js';

/** A file of a model. */
export interface FileToRecord extends FileToPlace {
  readonly role: ModelFileRole;
  /** As the index of its model says them. */
  readonly indexSha256?: string;
  readonly md5?: string;
  /** Path in the repository that it came from. */
  readonly sourcePath?: string;
}

/** A model that is ready to be recorded. */
export interface ModelToRecord {
  readonly name: string;
  readonly format: Manifest['format'];
  readonly placement: 'link' | 'move';
  readonly files: readonly FileToRecord[];
  readonly description: ModelDescription;
  readonly origin?: ModelOrigin;
  readonly derivedFrom?: ModelSource;
  /** App that holds the files. */
  readonly app?: ForeignApp;
  /** Folder of `work` in which the files have been staged already. */
  readonly staged?: { readonly work: WorkFolder; readonly folder: string };
}

/**
 * Records a model, and takes its files in where it is to own them. What is there already under that name
 * and with that content is returned. `checkUnchanged` throws if the files are no longer those that
 * were looked at.
 *
 * @throws MobillmError `MODEL_CONFLICT` when the name is taken by other content.
 */
export async function recordModel(
  context: StoreContext,
  model: ModelToRecord,
  checkUnchanged: () => Promise<void>,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel> {
  const comparer = new ContentComparer(context, progress, signal);
  for (;;) {
    const known = await sameModel(context, model, comparer, true);
    if (known !== undefined && known !== 'unknown') {
      return withHashes(context, known, model, signal);
    }
    const stored = await recordAbsent(context, model, comparer, checkUnchanged, progress, signal);
    // What another process recorded meanwhile has to be read first, which the lock is too dear for.
    if (stored !== undefined) return stored;
  }
}

/** Records a model unless it is there; `undefined` when files have to be read to know that. */
async function recordAbsent(
  context: StoreContext,
  model: ModelToRecord,
  comparer: ContentComparer,
  checkUnchanged: () => Promise<void>,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel | undefined> {
  const { name, format, placement, files, description, origin, derivedFrom, app } = model;
  const { fs, layout, manifests } = context;
  const takesIn = placement === 'move' || (await anyLiesInStore(context, files));
  const toManifest = (
    placed: readonly FileToRecord[],
    paths: readonly string[],
    pinned: boolean,
  ): Manifest => ({
    name,
    format,
    ownership: takesIn ? 'owned' : 'linked',
    addedAt: new Date().toISOString(),
    files: placed.map((file, index) => ({
      ...recordOf(file),
      path: paths[index] ?? '',
    })),
    description,
    ...(origin !== undefined && { origin }),
    ...(derivedFrom !== undefined && { derivedFrom }),
    ...(pinned && { pinned }),
    ...(app !== undefined && !takesIn && { app }),
  });
  const working = <T>(job: (work: WorkFolder) => Promise<T>) =>
    model.staged === undefined ? context.working(job) : job(model.staged.work);
  return working(async (work) => {
    if (takesIn && model.staged === undefined) await makeRoom(context, name, files, work, signal);
    // Copying can take minutes, so it is done before the lock is taken.
    const staged =
      model.staged === undefined
        ? takesIn
          ? await stageFiles(fs, files, work, progress, signal)
          : undefined
        : { folder: model.staged.folder, files };
    return context.locked(work, signal, async () => {
      // Another process may have added it meanwhile.
      const known = await sameModel(context, model, comparer, false);
      if (known === 'unknown') return undefined;
      if (known !== undefined) return toStoredModel(known, layout.root);
      // Or taken in the very file that is to be linked.
      if (staged === undefined) await checkUnchanged();
      const originals = placement === 'move' ? await deletableOriginals(context, name, files) : [];
      const placed = staged?.files ?? files;
      const paths =
        staged === undefined
          ? files.map(({ path }) => path)
          : await placeFiles(fs, layout, name, staged.folder, files);
      const manifest = toManifest(placed, paths, await isPinned(context, name));
      try {
        await manifests.write(manifest, work.path);
      } catch (error) {
        if (staged !== undefined) await dropUnrecorded(context, name);
        throw error;
      }
      await deleteOriginals(context, originals);
      await joinOthers(context, work, manifest, (index) => {
        const file = files[index];
        return file?.isDownload === true || originals.some((original) => original === file);
      });
      return toStoredModel(manifest, layout.root);
    });
  });
}

/** What is recorded of a file. */
function recordOf(file: FileToRecord): ManifestFile {
  const { path, fileBytes, role, sha256, indexSha256, md5, modifiedMs, sourcePath } = file;
  return {
    path,
    fileBytes,
    role,
    ...(sha256 !== undefined && { sha256 }),
    ...(indexSha256 !== undefined && { indexSha256 }),
    ...(md5 !== undefined && { md5 }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(sourcePath !== undefined && { sourcePath }),
  };
}

/** A model that is there, with every sha256 recorded that the files to be added have and it has not. */
async function withHashes(
  context: StoreContext,
  known: Manifest,
  { files }: ModelToRecord,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { root } = context.layout;
  const hashed = absoluteFiles(known, root).flatMap((file, index) => {
    const sha256 = files[index]?.sha256;
    return file.sha256 === undefined && sha256 !== undefined ? [{ ...file, sha256 }] : [];
  });
  if (hashed.length === 0) return toStoredModel(known, root);
  const recorded = await recordHashes(context, known.name, hashed, signal);
  return toStoredModel(recorded ?? known, root);
}

/**
 * Makes what other models have of the same content second names of the files that have come. Only of those
 * that nobody outside of the store has a name of, and whose content was just read. Failures take nothing
 * from the model.
 */
async function joinOthers(
  context: StoreContext,
  work: WorkFolder,
  { files, ownership }: Manifest,
  isOurs: (index: number) => boolean,
): Promise<void> {
  if (ownership !== 'owned') return;
  const sound = files.flatMap(({ path, sha256 }, index) =>
    sha256 !== undefined && isOurs(index)
      ? [{ path: `${context.layout.root}/${path}`, sha256 }]
      : [],
  );
  await joinCopies(context, work, sound).catch((error: unknown) => {
    if (MobillmError.is(error)) context.onProblem?.(error);
    else throw error;
  });
}

/** Whether the record that is to be replaced says so. */
async function isPinned({ manifests }: StoreContext, name: string): Promise<boolean> {
  const found = await manifests.read(name);
  return found?.state === 'sound' && found.manifest.pinned === true;
}

async function anyLiesInStore(
  context: StoreContext,
  files: readonly FileToPlace[],
): Promise<boolean> {
  for (const { path } of files) if (await liesInStore(context, path)) return true;
  return false;
}

/** The error for a name under which the store has other content. */
export function nameIsTaken({ name, files }: StoredModel): MobillmError {
  return new MobillmError(
    'MODEL_CONFLICT',
    `The store has another model under the name "${name}". Remove that one first, or choose another name.`,
    { details: { name, path: files.files[0]?.path } },
  );
}

/**
 * The model of that name if nothing is left to do for it; `unknown` when that cannot be told without
 * reading files, which `mayRead` does not allow. Throws if other content has the name.
 */
async function sameModel(
  { fs, layout, manifests }: StoreContext,
  { name, placement, files }: ModelToRecord,
  comparer: ContentComparer,
  mayRead: boolean,
): Promise<Manifest | 'unknown' | undefined> {
  const found = await manifests.read(name);
  if (found === undefined) return undefined;
  if (found.state === 'damaged') throw found.error;
  const { manifest } = found;
  const same = await comparer.compare(manifest, files, mayRead);
  if (same === 'unknown') return 'unknown';
  if (!same) throw nameIsTaken(toStoredModel(manifest, layout.root));
  // What was linked is to be taken in.
  if (placement === 'move' && manifest.ownership === 'linked') return undefined;
  // The same content elsewhere replaces a file that has gone.
  return (await areInPlace(fs, absoluteFiles(manifest, layout.root))) ? manifest : undefined;
}

/** Takes back files that could not be recorded; the originals are still there. */
async function dropUnrecorded(
  { fs, layout, manifests }: StoreContext,
  name: string,
): Promise<void> {
  const found = await manifests.read(name).catch(() => 'unknown' as const);
  // A record that owns files, or cannot be read, may need them.
  if (found === 'unknown' || found?.state === 'damaged') return;
  if (found?.manifest.ownership === 'owned') return;
  await removeTree(fs, `${layout.root}/${layout.ownedFolder(name)}`).catch(() => undefined);
}
