import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildStamp, isBuilt, markBuilt } from './build-stamp.mjs';
import { addonFile, compile } from './compile.mjs';
import { testSanitized } from './test-native.mjs';

const flavours = {
  develop: { folder: 'build', definitions: { MOBILLM_DEVELOP: 'ON' } },
  release: { folder: 'build-release', definitions: { MOBILLM_RELEASE: 'ON' } },
  sanitize: {
    folder: 'build-sanitize',
    definitions: { MOBILLM_DEVELOP: 'ON', MOBILLM_SANITIZE: 'ON' },
  },
};

/**
 * What an engine's `build-native.mjs` does: builds the addon in this checkout, with the programs that
 * its tests need. Does nothing when nothing has changed. The command line says which one:
 *
 *   nothing       for this machine, into build/
 *   --release     for every machine of this platform, into build-release/
 *   --sanitize    with AddressSanitizer and UBSan, into build-sanitize/, and runs the tests there
 *   --backend x   what else to compute on, for engines that have a choice; may be given several times
 *
 * @param {object} engine
 * @param {string} engine.packageFolder folder of the engine's package
 * @param {string} engine.addonName name of the addon's file without `.node`
 * @param {string} engine.addonVariable environment variable that names an addon to load
 * @param {Record<string, string>} [engine.definitions] CMake variables
 * @param {(names: string[]) => Record<string, string>} [engine.backendDefinitions] CMake variables for
 * the back ends that are named
 * @param {Record<string, string>} [engine.sources] CMake variables that name source trees
 * @param {boolean} [engine.alwaysBuild] for inputs whose changes only the build itself can tell
 * @param {string} [engine.sanitizedLife] program that is run under the sanitizers in Node
 */
export async function buildAddon(engine) {
  const { packageFolder, addonName, sources = {}, alwaysBuild = false } = engine;
  const { values } = parseArgs({
    options: {
      release: { type: 'boolean' },
      sanitize: { type: 'boolean' },
      backend: { type: 'string', multiple: true },
    },
  });
  const own = {
    ...engine.definitions,
    ...(values.backend && engine.backendDefinitions?.(values.backend)),
  };
  const flavour = values.release ? 'release' : values.sanitize ? 'sanitize' : 'develop';
  const { folder, definitions } = flavours[flavour];
  const buildFolder = join(packageFolder, folder);
  const stamp = buildStamp(packageFolder, { flavour, own, sources });
  if (alwaysBuild || !isBuilt(buildFolder, stamp) || !existsSync(addonFile(buildFolder, addonName))) {
    const name = basename(packageFolder);
    const startedAt = performance.now();
    process.stderr.write(`${name}: building the addon (${flavour}) …\n`);
    const variables = { ...own, ...definitions };
    await compile({ packageFolder, addonName, buildFolder, definitions: variables, sources });
    markBuilt(buildFolder, stamp);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    process.stderr.write(`${name}: built in ${seconds} s\n`);
  }
  if (flavour === 'sanitize') await testSanitized(engine, buildFolder);
}
