import type { FileTree } from '../formats/file-tree.js';
import type { Repository, SourceContext } from '../sources/source.js';
import { openRemote } from './remote-source.js';

/** A folder of a repository; its files are read over the network, as far as somebody asks for them. */
export function repositoryTree(
  { reference, files, addressOf }: Repository,
  folder: string,
  context: SourceContext,
): FileTree {
  const prefix = folder === '' ? '' : `${folder}/`;
  const sizes = new Map<string, number>();
  for (const { path, fileBytes } of files) {
    if (path.startsWith(prefix)) sizes.set(path.slice(prefix.length), fileBytes);
  }
  return {
    where: `${reference.repository}${folder === '' ? '' : `/${folder}`}`,
    names: () => Promise.resolve([...sizes.keys()].filter((path) => !path.includes('/')).sort()),
    sizeOf: (path) => Promise.resolve(sizes.get(path)),
    open: (path, signal) =>
      openRemote(addressOf(`${prefix}${path}`), sizes.get(path), { ...context, signal }),
  };
}
