import type { FileSystem } from './file-system/file-system.js';
import { goneFile } from './foreign/gone.js';
import { absoluteFiles, type Manifest } from './manifest/manifest.js';
import type { StoreContext } from './store-context.js';
import { changedFile, unreadable } from './store-errors.js';

/**
 * Makes sure that the files of a model are where they were recorded, with their sizes.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `INTEGRITY_FAILED`.
 */
export async function checkInPlace(
  { fs, layout }: StoreContext,
  manifest: Manifest,
): Promise<void> {
  for (const { path, fileBytes } of absoluteFiles(manifest, layout.root)) {
    const facts = await fs.stat(path).catch((error: unknown) => {
      throw unreadable(error, path);
    });
    if (facts?.kind !== 'file') throw goneFile(manifest, path);
    if (facts.fileBytes !== fileBytes) {
      const sizes = `it has ${facts.fileBytes} bytes and had ${fileBytes} when it was added`;
      throw changedFile(path, sizes);
    }
  }
}

/** Whether all of some files are where they were recorded, with their sizes. */
export async function areInPlace(
  fs: FileSystem,
  files: readonly { readonly path: string; readonly fileBytes: number }[],
): Promise<boolean> {
  for (const { path, fileBytes } of files) {
    const facts = await fs.stat(path).catch(() => undefined);
    if (facts?.kind !== 'file' || facts.fileBytes !== fileBytes) return false;
  }
  return true;
}
