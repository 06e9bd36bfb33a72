import { removeTree } from './remove-tree.js';
import type { StoreContext } from './store-context.js';
import { storeFailure } from './store-errors.js';

/**
 * Forgets a model and deletes what the store owns of it; needs the lock. Whatever the record says, the
 * folder of that name is the store's: a linked model may have one from a move that was cut short.
 */
export async function removeModel(context: StoreContext, name: string): Promise<void> {
  const { fs, layout, manifests, uses } = context;
  // The record goes first: a model that is half deleted must not be listed.
  await manifests.remove(name);
  try {
    await removeTree(fs, `${layout.root}/${layout.ownedFolder(name)}`);
  } catch (error) {
    throw storeFailure(error, `delete the files of "${name}"`);
  }
  await uses.forget(name);
}
