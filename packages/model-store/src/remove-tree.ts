import type { FileSystem } from './file-system/file-system.js';
import { errnoOf } from './store-errors.js';

/** How systems answer when a folder is to be deleted as a file. */
const isFolder = new Set(['EISDIR', 'EPERM', 'EACCES']);

/**
 * Deletes a file or folder of the store with all that is in it; it may be missing. Everything is
 * tried as a file first, so that a link is deleted and never followed.
 */
export async function removeTree(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.remove(path);
  } catch (error) {
    if (!isFolder.has(errnoOf(error) ?? '')) throw error;
    for (const name of await fs.listFolder(path)) await removeTree(fs, `${path}/${name}`);
    await fs.removeFolder(path);
  }
}
