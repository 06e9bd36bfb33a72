import { MobillmError } from '@mobillm/core';
import type { StoreContext } from './store-context.js';
import { storeFailure } from './store-errors.js';

interface WithPath {
  readonly path: string;
  readonly isForeign?: boolean;
}

/**
 * Whether the content of a file lies where the store deletes files: in the folder of a model, or
 * among its temporary files. Such a file cannot be linked, as it goes with the model that owns it.
 */
export async function liesInStore(context: StoreContext, path: string): Promise<boolean> {
  return inStoreFolders(await realRoot(context), await realPath(context, path));
}

/**
 * Which originals of a move may be deleted; needs the lock. One stays that lies in the store's own
 * folders, that belongs to another app, or that another model uses under any path. While a record cannot be read (it may be that of
 * a later version) nobody knows what it names, so all stay, and `onProblem` is told.
 */
export async function deletableOriginals<T extends WithPath>(
  context: StoreContext,
  name: string,
  originals: readonly T[],
): Promise<readonly T[]> {
  const { layout, manifests, onProblem } = context;
  const states = await manifests.readAll();
  const damaged = states.flatMap((found) => (found.state === 'damaged' ? [found.error] : []));
  for (const error of damaged) onProblem?.(error);
  if (damaged.length > 0) return [];

  const root = await realRoot(context);
  const used = new Set<string | undefined>();
  for (const found of states) {
    if (found.state === 'damaged' || found.manifest.name === name) continue;
    for (const { path } of found.manifest.files) {
      const owned = found.manifest.ownership === 'owned';
      used.add(await realPath(context, owned ? `${layout.root}/${path}` : path));
    }
  }
  const deletable: T[] = [];
  for (const original of originals) {
    if (original.isForeign) continue;
    const real = await realPath(context, original.path);
    if (real !== undefined && !used.has(real) && !inStoreFolders(root, real)) {
      deletable.push(original);
    }
  }
  return deletable;
}

/** The store has the content under names of its own now, so an original that stays does no harm. */
export async function deleteOriginals(
  { fs, onProblem }: StoreContext,
  originals: readonly WithPath[],
): Promise<void> {
  for (const { path } of originals) {
    await fs.remove(path).catch((error: unknown) => {
      const failure = storeFailure(error, `delete "${path}", which it has taken in`);
      if (MobillmError.is(failure)) onProblem?.(failure);
      else throw failure;
    });
  }
}

function inStoreFolders(root: string | undefined, real: string | undefined): boolean {
  if (root === undefined || !real?.startsWith(`${root}/`)) return false;
  return /^(models\/[^/]+|temporary)\//.test(real.slice(root.length + 1));
}

function realRoot(context: StoreContext): Promise<string | undefined> {
  return realPath(context, context.layout.root);
}

/** A path after all links, in the one spelling that paths are compared in; `undefined` if it has gone. */
export function realPath(
  { fs }: Pick<StoreContext, 'fs'>,
  path: string,
): Promise<string | undefined> {
  return fs.realPath(path).then(
    (real) => fs.resolvePath(real),
    () => undefined,
  );
}
