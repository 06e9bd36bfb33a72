import type { FileSystem } from '../file-system/file-system.js';

/** A folder of a store is a few levels deep. */
const maxDepth = 8;

/**
 * Bytes of the files under a path, each counted once however many names it has there. Files in `kept`
 * have names elsewhere and do not count, nor does what links lead to.
 */
export async function treeBytes(
  fs: FileSystem,
  path: string,
  kept: ReadonlySet<string> = new Set(),
): Promise<number> {
  const sizes = new Map<string, number>();
  await addSizes(fs, path, sizes, 0);
  let bytes = 0;
  for (const [id, size] of sizes) if (!kept.has(id)) bytes += size;
  return bytes;
}

async function addSizes(
  fs: FileSystem,
  path: string,
  sizes: Map<string, number>,
  depth: number,
): Promise<void> {
  const facts = await fs.stat(path).catch(() => undefined);
  if (facts === undefined || depth > maxDepth || (await isLink(fs, path))) return;
  if (facts.kind === 'file') sizes.set(facts.fileId ?? path, facts.fileBytes);
  if (facts.kind !== 'folder') return;
  for (const name of await fs.listFolder(path).catch(() => [])) {
    await addSizes(fs, `${path}/${name}`, sizes, depth + 1);
  }
}

async function isLink(fs: FileSystem, path: string): Promise<boolean> {
  const slash = path.lastIndexOf('/');
  const [real, above] = await Promise.all([
    fs.realPath(path),
    fs.realPath(path.slice(0, slash)),
  ]).catch(() => ['', ''] as const);
  return fs.resolvePath(real) !== fs.resolvePath(`${above}${path.slice(slash)}`);
}
