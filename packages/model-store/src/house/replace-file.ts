import { tryLink } from '../place-files.js';
import type { WorkFolder } from '../lock.js';
import type { StoreContext } from '../store-context.js';

/**
 * Puts another file in the place of one that the store owns, in one step: whoever has the old one open or
 * mapped keeps that. Needs the lock. The new one gets a second name; `false` where the file system cannot
 * do that, and nothing has changed then.
 */
export async function replaceByLink(
  { fs }: StoreContext,
  work: WorkFolder,
  from: string,
  to: string,
): Promise<boolean> {
  const fresh = `${work.path}/replacement`;
  await fs.remove(fresh);
  if (!(await tryLink(fs, from, fresh))) return false;
  await putInPlace({ fs }, fresh, to);
  return true;
}

/** Renames a file to its place, for good. */
export async function putInPlace(
  { fs }: Pick<StoreContext, 'fs'>,
  from: string,
  to: string,
): Promise<void> {
  const folder = to.slice(0, to.lastIndexOf('/'));
  await fs.makeFolder(folder);
  await fs.rename(from, to);
  await fs.syncFolder(folder);
}
