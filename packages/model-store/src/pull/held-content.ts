import { areInPlace } from '../files-in-place.js';
import type { ForeignContent } from '../foreign/foreign-content.js';
import { hashFiles } from '../hash-files.js';
import { absoluteFiles, type Manifest, type ManifestFile } from '../manifest/manifest.js';
import type { ProgressReporter } from '../progress.js';
import { knowHashes } from '../record-hashes.js';
import type { FileToRecord } from '../record-model.js';
import type { RemoteFile, RemoteModel } from '../sources/source.js';
import type { StoreContext } from '../store-context.js';

/** Content that is on this device already. */
export interface HeldContent extends Omit<FileToRecord, 'fileName' | 'role'> {
  readonly sha256: string;
  /** The model that owns it, where the store has it. */
  readonly owner?: string | undefined;
}

/** Looks for content in the store. */
export interface ContentSearch {
  readonly context: StoreContext;
  /** Told of what is read. */
  readonly reporter: ProgressReporter;
  readonly signal: AbortSignal;
}

/**
 * A file of some model in the store with this content; one that the store owns rather than a linked one. What has
 * the size alone, and no sha256 yet, is read: that is sooner done than a download. So is what is linked, as
 * others may write to it, or have given it the name of other content.
 */
export async function findContent(
  search: ContentSearch,
  file: RemoteFile,
): Promise<HeldContent | undefined> {
  if (file.sha256 === undefined) return undefined;
  const models = await soundModels(search.context);
  models.sort((a, b) => Number(b.ownership === 'owned') - Number(a.ownership === 'owned'));
  return findIn(models, search, file);
}

/** Whether the store has files of its own with the content of a model, which no app can delete. */
export async function ownsContent(search: ContentSearch, { files }: RemoteModel): Promise<boolean> {
  const models = await soundModels(search.context);
  const owned = models.filter(({ ownership }) => ownership === 'owned');
  for (const file of files.filter(({ role }) => role !== 'license')) {
    if ((await findIn(owned, search, file)) === undefined) return false;
  }
  return true;
}

/** A file of another app with this content. */
export async function findElsewhere(
  elsewhere: ForeignContent,
  file: RemoteFile,
): Promise<HeldContent | undefined> {
  const { sha256 } = file;
  const found = sha256 === undefined ? undefined : await elsewhere.findFile(file);
  if (sha256 === undefined || found === undefined) return undefined;
  return { path: found.path, fileBytes: found.fileBytes, sha256, isForeign: true };
}

async function soundModels({ manifests }: StoreContext): Promise<Manifest[]> {
  const states = await manifests.readAll();
  return states.flatMap((found) => (found.state === 'sound' ? [found.manifest] : []));
}

/** Looks in these models one after the other; those of which sums are computed get them in the list, too. */
async function findIn(
  models: Manifest[],
  { context, reporter, signal }: ContentSearch,
  { sha256, fileBytes }: RemoteFile,
): Promise<HeldContent | undefined> {
  if (sha256 === undefined) return undefined;
  const { fs, manifests } = context;
  for (const manifest of models) {
    for (const content of await inPlace(context, manifest, sha256)) {
      if (manifest.ownership === 'owned') return { ...content, owner: manifest.name };
      const [sum] = await hashFiles(fs, [content], reporter, signal).catch(() => []);
      signal.throwIfAborted();
      if (sum === sha256) return { ...content, isForeign: true };
    }
  }
  const mayHave = (file: ManifestFile) => file.sha256 === undefined && file.fileBytes === fileBytes;
  for (const [index, unread] of models.entries()) {
    if (!unread.files.some(mayHave)) continue;
    await knowHashes(context, unread, mayHave, reporter, signal);
    // A file that was written to since it was added has no sum in the record, and is none of the store's.
    const found = await manifests.read(unread.name);
    if (found?.state !== 'sound') continue;
    const { manifest } = found;
    models[index] = manifest;
    const [content] = await inPlace(context, manifest, sha256);
    if (content === undefined) continue;
    const owner = manifest.ownership === 'owned' ? manifest.name : undefined;
    return { ...content, owner, isForeign: owner === undefined };
  }
  return undefined;
}

/** The files of a model that have this content by their record, and are there. */
async function inPlace(
  { fs, layout }: StoreContext,
  manifest: Manifest,
  sha256: string,
): Promise<HeldContent[]> {
  const held: HeldContent[] = [];
  for (const file of absoluteFiles(manifest, layout.root)) {
    if (file.sha256 !== sha256 || !(await areInPlace(fs, [file]))) continue;
    held.push({ path: file.path, fileBytes: file.fileBytes, sha256 });
  }
  return held;
}
