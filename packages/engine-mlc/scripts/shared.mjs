/**
 * The build scripts that all engines share, from where @mobillm/core is installed: they are no door of
 * it, because no application has use for them.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Folder of this package. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url));

const core = dirname(createRequire(import.meta.url).resolve('@mobillm/core/package.json'));
const scripts = pathToFileURL(join(core, 'native', 'scripts', 'index.mjs'));

export const { buildAddon, installAddon, main, testNative } = await import(scripts.href);
