/** Tells whether a build is still the one that its inputs would make. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const coreNative = fileURLToPath(new URL('..', import.meta.url));

const stampFile = (buildFolder) => join(buildFolder, 'mobillm-stamp.txt');

/** Files of a folder and all folders below, in a fixed order. */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === 'vendor' ? [] : filesBelow(path);
      return [path];
    });
}

/**
 * A number for everything that an addon is made of: our own sources by content, the tools by their
 * settings in the environment, all else by `settings`.
 *
 * @param {string} packageFolder folder of the engine's package
 * @param {Record<string, unknown>} settings what else decides the outcome
 */
export function buildStamp(packageFolder, settings) {
  const require = createRequire(join(packageFolder, 'package.json'));
  const hash = createHash('sha256');
  const files = [
    join(packageFolder, 'CMakeLists.txt'),
    ...filesBelow(join(packageFolder, 'native')),
    ...filesBelow(coreNative),
    require.resolve('node-addon-api/package.json'),
  ];
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(file));
  const environment = ['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'LDFLAGS'].map((name) => [
    name,
    process.env[name] ?? '',
  ]);
  hash.update(JSON.stringify([settings, environment, process.platform, process.arch]));
  return hash.digest('hex');
}

/** Whether the last build in a folder was made from the same. */
export function isBuilt(buildFolder, stamp) {
  const file = stampFile(buildFolder);
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

/** Notes what a build was made from, after it went through. */
export function markBuilt(buildFolder, stamp) {
  writeFileSync(stampFile(buildFolder), stamp);
}
