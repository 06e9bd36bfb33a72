import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { readJson } from './workspace.mjs';

/**
 * What a package's `browser` map puts in the place of one of its files. React Native's bundler obeys
 * that map; esbuild does for browsers alone.
 *
 * @param {string} path absolute path of a resolved file
 * @returns {string | false} the file to take: the same where nothing is mapped; `false` for an empty
 * module
 */
export function applyBrowserMap(path) {
  const folder = packageFolder(dirname(path));
  if (folder === undefined) return path;
  const { browser } = readJson(join(folder, 'package.json'));
  if (typeof browser !== 'object') return path;
  const target = browser[`./${relative(folder, path).replaceAll('\\', '/')}`];
  if (target === undefined) return path;
  return target === false ? false : join(folder, target);
}

/** The nearest folder upwards whose manifest has a name; bare ones only set a module's type. */
function packageFolder(folder) {
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest) && readJson(manifest).name !== undefined) return folder;
  const parent = dirname(folder);
  return parent === folder ? undefined : packageFolder(parent);
}
