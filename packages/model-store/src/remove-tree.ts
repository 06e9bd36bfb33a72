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
    if (!isFolder.has(errnoOf(error) ?? '') || !(await isOwnFolder(fs, path))) throw error;
    for (const name of await fs.listFolder(path)) await removeTree(fs, `${path}/${name}`);
    await fs.removeFolder(path);
  }
}

/** Whether it is a folder and no link to one, which may be what could not be deleted. */
async function isOwnFolder(fs: FileSystem, path: string): Promise<boolean> {
  try {
    const slash = path.lastIndexOf('/');
    const [facts, real, above] = await Promise.all([
      fs.stat(path),
      fs.realPath(path),
      fs.realPath(path.slice(0, slash)),
    ]);
    const own = fs.resolvePath(`${above}${path.slice(slash)}`);
    return facts?.kind === 'folder' && fs.resolvePath(real) === own;
  } catch {
    return false;
  }
}
