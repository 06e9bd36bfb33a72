import { MobillmError, wrongValue, type StoredModel } from '@mobillm/core';
import { inspectGguf, type InspectedFiles } from './gguf/inspect-gguf.js';
import { hashFiles } from './hash-files.js';
import { toStoredModel, type Manifest } from './manifest/manifest.js';
import { deletableOriginals, deleteOriginals, liesInStore } from './originals.js';
import { placeFiles, stageFiles, type FileToPlace } from './place-files.js';
import type { ProgressReporter } from './progress.js';
import { removeTree } from './remove-tree.js';
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
    sha256: hashes[index] ?? '',
  }));
  if (sha256 !== undefined) checkSha256(path, sha256, hashes[0]);
  await checkUnchanged(context, inspected);
  const model =
    (await sameModel(context, request, files)) ??
    (await record(context, request, files, inspected, progress, signal));
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  progress.finish({ phase: 'hashing', doneBytes: totalBytes, totalBytes });
  return model;
}

async function record(
  context: StoreContext,
  request: AddRequest,
  files: readonly FileToPlace[],
  inspected: InspectedFiles,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { name, placement } = request;
  const { fs, layout, manifests } = context;
  const takesIn = placement === 'move' || (await anyLiesInStore(context, files));
  const toManifest = (paths: readonly string[]): Manifest => ({
    name,
    format: 'gguf',
    ownership: takesIn ? 'owned' : 'linked',
    addedAt: new Date().toISOString(),
    files: files.map(({ fileBytes, sha256 }, index) => ({
      path: paths[index] ?? '',
      fileBytes,
      role: 'weights',
      sha256,
    })),
    description: inspected.description,
  });
  return context.working(async (work) => {
    // Copying can take minutes, so it is done before the lock is taken.
    const staged = takesIn ? await stageFiles(fs, files, work, progress, signal) : undefined;
    return context.locked(work, signal, async () => {
      // Another process may have added it meanwhile.
      const known = await sameModel(context, request, files);
      if (known !== undefined) return known;
      // Or taken in the very file that is to be linked.
      if (staged === undefined) await checkUnchanged(context, inspected);
      const originals = placement === 'move' ? await deletableOriginals(context, name, files) : [];
      const paths =
        staged === undefined
          ? files.map(({ path }) => path)
          : await placeFiles(fs, layout, name, staged, files);
      const manifest = toManifest(paths);
      try {
        await manifests.write(manifest, work.path);
      } catch (error) {
        if (staged !== undefined) await dropUnrecorded(context, name);
        throw error;
      }
      await deleteOriginals(context, originals);
      return toStoredModel(manifest, layout.root);
    });
  });
}

async function anyLiesInStore(
  context: StoreContext,
  files: readonly FileToPlace[],
): Promise<boolean> {
  for (const { path } of files) if (await liesInStore(context, path)) return true;
  return false;
}

/** The model of that name if nothing is left to do for it; throws if other content has the name. */
async function sameModel(
  { fs, layout, manifests }: StoreContext,
  { name, placement }: AddRequest,
  files: readonly FileToPlace[],
): Promise<StoredModel | undefined> {
  const found = await manifests.read(name);
  if (found === undefined) return undefined;
  if (found.state === 'damaged') throw found.error;
  const { manifest } = found;
  const same =
    manifest.files.length === files.length &&
    manifest.files.every(({ sha256 }, index) => sha256 === files[index]?.sha256);
  const model = toStoredModel(manifest, layout.root);
  if (!same) {
    throw new MobillmError(
      'MODEL_CONFLICT',
      `The store has another model under the name "${name}". Remove that one first, or choose another name.`,
      { details: { name, path: model.files.files[0]?.path } },
    );
  }
  // What was linked is to be taken in.
  if (placement === 'move' && manifest.ownership === 'linked') return undefined;
  // The same content elsewhere replaces a file that has gone.
  for (const { path, fileBytes } of model.files.files) {
    const facts = await fs.stat(path).catch(() => undefined);
    if (facts?.fileBytes !== fileBytes) return undefined;
  }
  return model;
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
