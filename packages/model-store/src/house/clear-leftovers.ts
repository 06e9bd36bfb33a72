import { isSha256 } from '../is-sha256.js';
import { isLocked, listWorkFolders, tryLock, type WorkFolder } from '../lock.js';
import { baseName } from '../base-name.js';
import { removeTree } from '../remove-tree.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import type { PrunedItem } from './house-types.js';
import { readOwnedModels, type OwnedModels } from './owned-models.js';
import { treeBytes } from './tree-bytes.js';

/** What the clearing of leftovers is given. */
export interface Clearing {
  readonly context: StoreContext;
  /** `undefined` where it is only told what would go. */
  readonly work: WorkFolder | undefined;
  readonly signal: AbortSignal;
}

/** Name of a folder in `models/` as the store makes them. */
const stemForm = /-[0-9a-f]{12}$/;
const downloadForm = /^(address-)?[0-9a-f]{64}$/;
const dayMs = 24 * 60 * 60 * 1000;

/** Deletes temporary files of processes that have ended. */
export async function clearWorkFolders(
  { fs, layout }: StoreContext,
  kept: ReadonlySet<string>,
  dryRun: boolean,
): Promise<PrunedItem[]> {
  const items: PrunedItem[] = [];
  for (const { path, owner } of await listWorkFolders(fs, layout)) {
    if (owner !== 'ended') continue;
    const freedBytes = await treeBytes(fs, path, kept);
    if (!dryRun) await removeOrTell(fs, path);
    items.push({
      kind: 'temporary',
      name: `temporary/${baseName(path)}`,
      freedBytes,
      reason: 'its process has ended',
    });
  }
  return items;
}

/** Deletes downloads that nobody is busy with and that have not grown for some days. */
export async function clearDownloads(
  { context: { fs, layout }, work, signal }: Clearing,
  kept: ReadonlySet<string>,
  olderThanDays: number,
): Promise<PrunedItem[]> {
  const items: PrunedItem[] = [];
  const isAbandoned = async (folder: string) => {
    const names = (await fs.listFolder(folder)).filter((name) => name !== 'lock');
    let newestMs = -Infinity;
    for (const name of names) {
      const facts = await fs.stat(`${folder}/${name}`).catch(() => undefined);
      newestMs = Math.max(newestMs, facts?.modifiedMs ?? -Infinity);
    }
    return { names, is: newestMs <= Date.now() - olderThanDays * dayMs };
  };
  for (const name of await fs.listFolder(layout.downloads)) {
    signal.throwIfAborted();
    const folder = `${layout.downloads}/${name}`;
    if (!downloadForm.test(name) || (await isLocked(fs, `${folder}/lock`))) continue;
    if (!(await isAbandoned(folder)).is) continue;
    const unlock = work && (await tryLock(fs, `${folder}/lock`, work, signal));
    if (work !== undefined && unlock === undefined) continue;
    try {
      // Somebody may have gone on with it before the lock was taken.
      const { names, is } = await isAbandoned(folder);
      if (!is) continue;
      const freedBytes = await treeBytes(fs, folder, kept);
      if (unlock !== undefined) {
        for (const left of names) await removeOrTell(fs, `${folder}/${left}`);
      }
      if (names.length === 0) continue;
      items.push({
        kind: 'download',
        name: `downloads/${name}`,
        freedBytes,
        reason: `it was broken off and has not grown for ${olderThanDays} days`,
      });
    } finally {
      await unlock?.();
      if (unlock !== undefined) await fs.removeFolder(folder).catch(() => undefined);
    }
  }
  return items;
}

/**
 * Deletes what no record names: folders of models, checksums of contents, marks of use. While a record
 * cannot be read, nobody knows what it names, and all stays. Needs the lock, where something is to go.
 */
export async function clearUnnamed({ context, work }: Clearing): Promise<PrunedItem[]> {
  const { fs, layout, manifests, uses } = context;
  const owned = await readOwnedModels(context);
  for (const error of owned.damaged) context.onProblem?.(error);
  if (owned.damaged.length > 0) return [];
  const records = new Set(await manifests.stems());
  const items: PrunedItem[] = [];
  const clear = async (path: string) => {
    const freedBytes = await treeBytes(fs, `${layout.root}/${path}`, idsOf(owned));
    if (work !== undefined) await removeOrTell(fs, `${layout.root}/${path}`);
    items.push({ kind: 'leftover', name: path, freedBytes, reason: 'no record names it' });
  };
  for (const name of await fs.listFolder(layout.models)) {
    if (stemForm.test(name) && !owned.folders.has(name)) await clear(`models/${name}`);
  }
  const contents = new Set(
    owned.models.flatMap(({ manifest }) => manifest.files.map(({ sha256 }) => sha256)),
  );
  for (const name of await fs.listFolder(layout.checksums)) {
    if (!isSha256(name) || contents.has(name)) continue;
    // The model that they are of may be about to be recorded.
    const facts = await fs.stat(`${layout.checksums}/${name}`).catch(() => undefined);
    const isFresh = (facts?.modifiedMs ?? 0) > Date.now() - dayMs;
    if (!isFresh) await clear(`checksums/${name}`);
  }
  for (const { stem, path } of await uses.list()) {
    if (!records.has(stem)) await clear(`uses/${baseName(path)}`);
  }
  return items;
}

/** The files that models have. */
export function idsOf({ models }: OwnedModels): Set<string> {
  return new Set(models.flatMap(({ files }) => files.map(({ id }) => id)));
}

async function removeOrTell(fs: StoreContext['fs'], path: string): Promise<void> {
  try {
    await removeTree(fs, path);
  } catch (error) {
    throw storeFailure(error, `delete "${path}"`);
  }
}
