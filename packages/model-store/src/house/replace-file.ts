import { MobillmError } from '@mobillm/core';
import { tryLink } from '../place-files.js';
import type { WorkFolder } from '../lock.js';
import type { StoreContext } from '../store-context.js';

/**
 * Puts another file in the place of one that the store owns, in one step: whoever has the old one open or
 * mapped keeps that. Needs the lock. The new one gets a second name; `false` where the file system cannot
 * do that, and nothing has changed then.
 */
export async function replaceByLink(
  context: StoreContext,
  work: WorkFolder,
  from: string,
  to: string,
): Promise<boolean> {
  const { fs } = context;
  const fresh = `${work.path}/replacement`;
  await fs.remove(fresh);
  if (!(await tryLink(fs, from, fresh))) return false;
  await putInPlace(context, fresh, to);
  return true;
}

/**
 * Renames a file to its place among the models, for good.
 *
 * @throws MobillmError `MODEL_INVALID` where that leads out of the store, by a link that somebody put there.
 */
export async function putInPlace(
  { fs, layout }: StoreContext,
  from: string,
  to: string,
): Promise<void> {
  const folder = to.slice(0, to.lastIndexOf('/'));
  await fs.makeFolder(folder);
  const root = await fs.realPath(layout.root);
  const own = fs.resolvePath(`${root}${folder.slice(layout.root.length)}`);
  if (fs.resolvePath(await fs.realPath(folder)) !== own) {
    throw new MobillmError('MODEL_INVALID', `"${folder}" leads out of the store. Delete it.`, {
      details: { path: folder },
    });
  }
  await fs.rename(from, to);
  await fs.syncFolder(folder);
}
