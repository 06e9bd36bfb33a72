import { fileNotFound } from '../store-errors.js';
import type { FileTree } from './file-tree.js';
import type { FolderFormat, FolderFormatName, FolderReading } from './folder-format.js';
import { genieFormat } from './genie.js';
import { mlcFormat } from './mlc.js';
import { qnnContextFormat } from './qnn-context.js';
import { safetensorsFormat } from './safetensors/safetensors.js';

/** All layouts of folders; where a folder could be of several, the first counts. */
export const folderFormats: readonly FolderFormat[] = [
  qnnContextFormat,
  genieFormat,
  mlcFormat,
  safetensorsFormat,
];

/** The layout of a folder with these files; `undefined` where it is none that is known. */
export function folderFormatOf(names: readonly string[]): FolderFormat | undefined {
  return folderFormats.find((format) => format.matches(names));
}

/** The layout of that name. */
export function folderFormatNamed(name: string): FolderFormat | undefined {
  return folderFormats.find((format) => format.name === name);
}

/**
 * Reads a model in a folder, whatever its layout.
 *
 * @throws MobillmError `FILE_NOT_FOUND` where it is no model, or lacks a file; `MODEL_INVALID`,
 * `MODEL_UNSUPPORTED`, `INTEGRITY_FAILED`.
 */
export async function readFolder(
  tree: FileTree,
  signal: AbortSignal,
): Promise<FolderReading & { readonly format: FolderFormatName }> {
  const format = folderFormatOf(await tree.names());
  if (format === undefined) {
    const entries = folderFormats.map(({ entryName }) => entryName).join(', ');
    throw fileNotFound(
      tree.where,
      `is a folder without a model that is known (${entries}). Name the model file in it`,
    );
  }
  return { ...(await format.read(tree, signal)), format: format.name };
}
