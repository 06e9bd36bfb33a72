import type { FileSystem } from './file-system/file-system.js';

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
