import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './workspace.mjs';

/** Folders that hold what is made, not what it is made from. */
const made = new Set(['node_modules', 'dist', 'build', 'vendor', 'coverage', '.turbo']);

/**
 * sha256 over the paths and contents of files, folders read through.
 *
 * @param {readonly string[]} paths absolute; those that do not exist are left out
 */
export function contentHash(paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap(filesBelow)) {
    const content = readFileSync(path);
    hash.update(`${relative(root, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function filesBelow(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !made.has(name) && !name.startsWith('build-'))
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}
