import type { FileSystem } from './file-system/file-system.js';
import { errnoOf } from './store-errors.js';

/**
 * Makes a folder and those above it so that their names survive a power cut: what is synced in a folder that has no
 * lasting name itself is lost with it.
 */
export async function makeLastingFolder(fs: FileSystem, path: string): Promise<void> {
  const above = path.slice(0, path.lastIndexOf('/'));
  if (above !== '' && (await fs.stat(above)) === undefined) await makeLastingFolder(fs, above);
  await fs.makeFolder(path);
  if (above === '') return;
  await fs.syncFolder(above).catch((error: unknown) => {
    // Folders of the system may be passed through and not read.
    if (!['EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  });
}
