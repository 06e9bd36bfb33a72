import { absoluteFiles, type Manifest, type ManifestFile } from './manifest/manifest.js';
import { hashFiles } from './hash-files.js';
import type { WorkFolder } from './lock.js';
import type { ProgressReporter } from './progress.js';
import type { StoreContext } from './store-context.js';

/** A file as it was when it was read, with its sha256. */
export interface HashedFile {
  readonly path: string;
  readonly fileBytes: number;
  readonly modifiedMs?: number;
  readonly sha256: string;
}

/**
 * Records the sha256 of files that a model has none for yet, as long as they are still those that the
 * record is about. Returns what is recorded then; `undefined` when the model has gone.
 */
export function recordHashes(
  context: StoreContext,
  name: string,
  hashed: readonly HashedFile[],
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  return context.working((work) =>
    context.locked(work, signal, () => writeHashes(context, name, hashed, work)),
  );
}

/** The same for who holds the lock. */
export async function writeHashes(
  { manifests, layout }: StoreContext,
  name: string,
  hashed: readonly HashedFile[],
  work: WorkFolder,
): Promise<Manifest | undefined> {
  const found = await manifests.read(name);
  if (found?.state !== 'sound') return undefined;
  const { manifest } = found;
  const absolute = absoluteFiles(manifest, layout.root);
  const files = manifest.files.map((file, index) => {
    const match = hashed.find((candidate) => isSameFile(candidate, absolute[index]));
    if (file.sha256 !== undefined || match === undefined) return file;
    return { ...file, sha256: match.sha256 };
  });
  if (files.every((file, index) => file === manifest.files[index])) return manifest;
  const complete = { ...manifest, files };
  await manifests.write(complete, work.path);
  return complete;
}

/**
 * The files of a manifest, with the sha256 of those chosen: what no sha256 was recorded of is read, and
 * it is recorded. A file that has gone or has another size stays without.
 */
export async function knowHashes(
  context: StoreContext,
  manifest: Manifest,
  isWanted: (file: ManifestFile, index: number) => boolean,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<readonly ManifestFile[]> {
  const { fs, layout } = context;
  const files = absoluteFiles(manifest, layout.root);
  const unread: HashedFile[] = [];
  for (const [index, file] of files.entries()) {
    if (file.sha256 !== undefined || !isWanted(file, index)) continue;
    const facts = await fs.stat(file.path).catch(() => undefined);
    if (facts?.kind !== 'file' || facts.fileBytes !== file.fileBytes) continue;
    const { path, fileBytes } = file;
    unread.push({ path, fileBytes, modifiedMs: facts.modifiedMs, sha256: '' });
  }
  if (unread.length === 0) return files;
  const sums = await hashFiles(fs, unread, progress, signal);
  const hashed = unread.map((file, index) => ({ ...file, sha256: sums[index] ?? '' }));
  await recordHashes(context, manifest.name, hashed, signal);
  return files.map((file) => {
    const sha256 = hashed.find(({ path }) => path === file.path)?.sha256;
    return sha256 === undefined ? file : { ...file, sha256 };
  });
}

function isSameFile(hashed: HashedFile, recorded: ManifestFile | undefined): boolean {
  return (
    hashed.path === recorded?.path &&
    hashed.fileBytes === recorded.fileBytes &&
    hashed.modifiedMs === recorded.modifiedMs
  );
}
