import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/[\\/]$/, '');

/**
 * Reads a JSON file.
 *
 * @param {string} path
 */
export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/**
 * The workspace's packages (folders of `packages/`, `examples/` and `integration/` with a
 * manifest), by path.
 *
 * @returns {{ folder: string, manifest: Record<string, any> }[]}
 */
export function workspacePackages() {
  return ['packages', 'examples', 'integration'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(root, parent, entry.name))
      .filter((folder) => existsSync(join(folder, 'package.json')))
      .sort()
      .map((folder) => ({ folder, manifest: readJson(join(folder, 'package.json')) })),
  );
}

/** The packages that are published: all that are not private. */
export function publishedPackages() {
  return workspacePackages().filter(({ manifest }) => manifest.private !== true);
}

/** The published packages that have an addon. */
export function nativePackages() {
  return publishedPackages().filter(({ folder }) => existsSync(join(folder, 'CMakeLists.txt')));
}
