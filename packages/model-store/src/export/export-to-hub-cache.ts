import { MobillmError } from '@mobillm/core';
import type { Manifest } from '../manifest/manifest.js';
import { realPath } from '../originals.js';
import { isCommit, parseReference } from '../reference/parse-reference.js';
import { isRepositoryPath } from '../sources/choose-files.js';
import { hubCacheFolders } from '../sources/hub-home.js';
import type { StoreContext } from '../store-context.js';
import { errnoOf, storeFailure } from '../store-errors.js';
import { BlobFolder } from './blob-folder.js';
import type { ExportReport, HashedFile } from './export-options.js';

/** Where a model has its place in the cache. */
interface HubPlace {
  readonly repository: string;
  /** Branch or tag that it was pulled by. */
  readonly name: string;
  readonly commit: string;
}

/**
 * Puts a model into the cache of the hub's clients, as they would have: its bytes in `blobs`, links to them
 * in `snapshots`, and what its branch means in `refs`, unless that is known otherwise.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` for a model that was not pulled from a hub.
 */
export async function exportToHubCache(
  context: StoreContext,
  manifest: Manifest,
  files: readonly HashedFile[],
  cache: string | undefined,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<ExportReport> {
  const { fs } = context;
  const place = placeOf(manifest);
  const folder = cache ?? hubCacheFolders(fs.environment())[0];
  if (folder === undefined) throw noPlace(manifest, 'the environment does not say where that is');
  const root = `${fs.resolvePath(folder)}/models--${place.repository.replaceAll('/', '--')}`;
  const paths = files.map((file) => pathOf(manifest, file));
  const blobs = await BlobFolder.open(fs, `${root}/blobs`, signal, onBytes);
  const done: ExportReport['files'][number][] = [];
  for (const [index, file] of files.entries()) {
    const path = paths[index] ?? '';
    const pointer = `${root}/snapshots/${place.commit}/${path}`;
    const { state, path: blob } = await blobs.place(file, `${root}/blobs/${file.sha256}`);
    await point(context, blobs, file, blob, pointer, path.split('/').length + 1);
    done.push({ path: pointer, state });
  }
  if (place.name !== place.commit) {
    const commit = new TextEncoder().encode(place.commit);
    // One that is there may mean a later commit, by which other files are found.
    await blobs.write(`${root}/refs/${place.name}`, commit, 'keep');
  }
  return { name: place.repository, revision: place.commit, files: done };
}

function placeOf(manifest: Manifest): HubPlace {
  const { origin } = manifest;
  try {
    const parsed = parseReference(origin?.reference ?? '');
    const commit = origin?.revision ?? '';
    if (parsed.source === 'hugging-face' && isCommit(commit)) {
      return { repository: parsed.repository, name: parsed.revision ?? 'main', commit };
    }
  } catch {
    // A record without an origin, or one that somebody wrote by hand.
  }
  throw noPlace(manifest, 'it was not pulled from there, so repository and commit are not known');
}

function pathOf(manifest: Manifest, { sourcePath, role }: HashedFile): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  const bad = sourcePath === undefined || /[\\\u0000-\u001f]/.test(sourcePath);
  if (bad || !isRepositoryPath(sourcePath)) {
    throw noPlace(
      manifest,
      `the path of its file of role "${role}" in the repository is not known`,
    );
  }
  return sourcePath;
}

function noPlace({ name, origin }: Manifest, why: string): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model "${name}" has no place in the Hugging Face cache: ${why}. Pull it as "hf:owner/repo:file" to have one.`,
    { details: { name, ...(origin !== undefined && { reference: origin.reference }) } },
  );
}

/** Puts a link to a blob into a snapshot, or the file itself where links cannot be made. */
async function point(
  context: StoreContext,
  blobs: BlobFolder,
  file: HashedFile,
  blob: string,
  pointer: string,
  depth: number,
): Promise<void> {
  const { fs } = context;
  const target = `${'../'.repeat(depth)}blobs/${file.sha256}`;
  try {
    await fs.makeFolder(pointer.slice(0, pointer.lastIndexOf('/')));
    if (fs.symlink !== undefined) {
      await fs.symlink(target, pointer);
      return;
    }
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EEXIST') {
      const [now, wanted] = [await realPath(context, pointer), await realPath(context, blob)];
      if (now === wanted) return;
    } else if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'].includes(errno)) {
      throw storeFailure(error, `link "${pointer}"`);
    }
  }
  await blobs.place(file, pointer);
}
