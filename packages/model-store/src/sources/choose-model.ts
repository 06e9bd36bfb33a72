import { MobillmError } from '@mobillm/core';
import type { FolderFormat } from '../formats/folder-format.js';
import { folderFormatNamed, folderFormats } from '../formats/read-folder.js';
import { chooseFiles, offersOf, type ChosenFiles } from './choose-files.js';
import type { RepositoryFile } from './source.js';

/** A folder of a repository with a model in it. */
export interface ChosenFolder {
  readonly format: FolderFormat;
  /** Path in the repository; empty for the repository itself. */
  readonly folder: string;
}

/** What a repository is asked for. */
export type ChosenModel = ({ readonly format: 'gguf' } & ChosenFiles) | ChosenFolder;

/** Other words for a layout. */
const formatWords: Readonly<Record<string, string>> = { qnn: 'qnn-context' };

/** Models of a repository that are folders, the one nearest to its root first. */
export function foldersOf(files: readonly RepositoryFile[]): readonly ChosenFolder[] {
  const names = new Map<string, string[]>();
  for (const { path } of files) {
    const slash = path.lastIndexOf('/');
    const folder = slash < 0 ? '' : path.slice(0, slash);
    const known = names.get(folder);
    if (known === undefined) names.set(folder, [path.slice(slash + 1)]);
    else known.push(path.slice(slash + 1));
  }
  return [...names]
    .sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1))
    .flatMap(([folder, within]) =>
      folderFormats
        .filter((format) => format.matches(within))
        .map((format) => ({ format, folder })),
    );
}

/**
 * Chooses a model of a repository: by a file or quantization, by the name of a layout (`gguf`, `mlc`,
 * `safetensors` …) or by the path of a folder. Where nothing is asked for, GGUF files are preferred.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`, with what there is.
 */
export function chooseModel(
  repository: string,
  files: readonly RepositoryFile[],
  selection: string | undefined,
): ChosenModel {
  const hasGguf = offersOf(files).length > 0;
  const folders = foldersOf(files);
  const word = selection?.toLowerCase() ?? '';
  const name = Object.hasOwn(formatWords, word) ? formatWords[word] : word;
  if (selection === undefined && !hasGguf && folders[0] !== undefined) return folders[0];
  const isFormat = folderFormatNamed(name ?? '') !== undefined;
  const folder = folders.find((found) =>
    isFormat ? found.format.name === name : found.folder === selection,
  );
  if (folder !== undefined && selection !== undefined) return folder;
  if (isFormat || !hasGguf) throw notThere(repository, selection, hasGguf, folders);
  const wanted = word === 'gguf' ? undefined : selection;
  return { format: 'gguf', ...chooseFiles(repository, files, wanted) };
}

function notThere(
  repository: string,
  selection: string | undefined,
  hasGguf: boolean,
  folders: readonly ChosenFolder[],
): MobillmError {
  const offered = new Set([
    ...(hasGguf ? ['gguf'] : []),
    ...folders.map(({ format }) => format.name),
  ]);
  const list = [...offered].join(', ');
  const sentence =
    offered.size > 0
      ? `The repository "${repository}" has no "${selection}". It has ${list}.`
      : `The repository "${repository}" has no GGUF file, and no other model that is known here. Look for one whose name ends with "-GGUF".`;
  return new MobillmError('MODEL_NOT_FOUND', sentence, {
    details: { repository, ...(selection !== undefined && { selection }), offered: [...offered] },
  });
}
