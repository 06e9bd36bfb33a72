import { chooseFiles, chooseProjector, offersOf } from '../sources/choose-files.js';
import type { RepositoryFile } from '../sources/source.js';
import type { ForeignContext } from './foreign-context.js';
import type { ForeignApp, FoundFile } from './found-model.js';

/** Folders in folders; apps need three. */
const maxDepth = 8;
/** Names that are looked at below one folder. */
const maxEntries = 50_000;

/** A GGUF file below a folder. */
export interface TreeFile extends RepositoryFile {
  /** Path from the folder that was looked through. */
  readonly path: string;
  readonly absolutePath: string;
  readonly modifiedMs: number;
}

/** A model below a folder. */
export interface TreeModel {
  /** Path of its first file from the folder that was looked through. */
  readonly path: string;
  readonly files: readonly FoundFile[];
}

/**
 * GGUF files below a folder. Names that begin with a dot are left out: apps keep there what is not whole
 * yet. Links are followed, into each folder once.
 */
export async function listGgufs(
  context: ForeignContext,
  app: ForeignApp,
  root: string,
): Promise<TreeFile[]> {
  const files: TreeFile[] = [];
  const visited = new Set<string>();
  let entries = 0;
  const visit = async (folder: string, below: string, depth: number): Promise<void> => {
    const real = await context.realPath(folder);
    if (real === undefined || visited.has(real)) return;
    visited.add(real);
    for (const name of await context.list(app, folder)) {
      if (name.startsWith('.')) continue;
      if (entries >= maxEntries) return;
      entries++;
      const absolutePath = `${folder}/${name}`;
      const path = below === '' ? name : `${below}/${name}`;
      const facts = await context.stat(app, absolutePath);
      const isNamed = /\.gguf$/i.test(name);
      if (facts?.kind === 'folder') {
        if (depth < maxDepth) await visit(absolutePath, path, depth + 1);
        else context.tell(app, `the folder "${absolutePath}"`, 'it lies too deep.');
      } else if (isNamed && facts?.kind === 'file') {
        const { fileBytes, modifiedMs } = facts;
        files.push({ path, absolutePath, fileBytes, modifiedMs });
      } else if (isNamed && facts !== undefined) {
        context.tell(app, `"${absolutePath}"`, 'it is not a file.');
      }
    }
  };
  await visit(root, '', 0);
  if (entries >= maxEntries) {
    context.tell(app, `what is beyond ${maxEntries} names in "${root}"`, 'it has too many.');
  }
  return files;
}

/**
 * The models of some files: parts of split ones together, each with the projector that lies in its folder.
 * Projectors alone and parts without the others are none.
 */
export function groupModels(files: readonly TreeFile[]): TreeModel[] {
  const folders = new Map<string, TreeFile[]>();
  for (const file of files) {
    const folder = folderOf(file.path);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return [...folders.values()].flatMap((inFolder) => {
    const projector = chooseProjector(inFolder);
    return offersOf(inFolder).map((offer) => toModel(inFolder, offer.files, projector));
  });
}

/** The model that the names of a reference choose; `undefined` where there is none. */
export function chooseModel(
  repository: string,
  files: readonly TreeFile[],
  selection: string | undefined,
): TreeModel | undefined {
  try {
    const chosen = chooseFiles(repository, files, selection === 'auto' ? undefined : selection);
    return toModel(files, chosen.weights, chosen.projector);
  } catch {
    return undefined;
  }
}

function toModel(
  files: readonly TreeFile[],
  weights: readonly RepositoryFile[],
  projector: RepositoryFile | undefined,
): TreeModel {
  const found = (chosen: RepositoryFile, role: FoundFile['role']): FoundFile[] =>
    files
      .filter(({ path }) => path === chosen.path)
      .map(({ absolutePath, fileBytes, modifiedMs, sha256, path }) => ({
        path: absolutePath,
        sourcePath: path,
        fileBytes,
        modifiedMs,
        role,
        ...(sha256 !== undefined && { sha256 }),
      }));
  return {
    path: weights[0]?.path ?? '',
    files: [
      ...weights.flatMap((file) => found(file, 'weights')),
      ...(projector === undefined ? [] : found(projector, 'projector')),
    ],
  };
}

/** A path without the extension and the number of a part. */
export function stemOf(path: string): string {
  return path.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '');
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
