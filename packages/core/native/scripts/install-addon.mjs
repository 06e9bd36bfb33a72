import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { addonFile, compile } from './compile.mjs';

/**
 * Why the prebuilt package of this platform does not serve, as a clause; `undefined` where it does. One
 * that is installed is loaded to find out: it may ask for a newer C library than this system has.
 */
function prebuiltTrouble(packageFolder, packageName, addonName) {
  const require = createRequire(join(packageFolder, 'package.json'));
  const base = `${packageName}-${process.platform}-${process.arch}`;
  const troubles = [base, `${base}-musl`].flatMap((name) => {
    let manifest;
    try {
      manifest = require.resolve(`${name}/package.json`);
    } catch {
      return [];
    }
    // In a process of its own, which a file that is no good may end.
    const load = 'process.dlopen({ exports: {} }, process.argv[1])';
    const file = join(dirname(manifest), `${addonName}.node`);
    const { status, stderr } = spawnSync(process.execPath, ['-e', load, file], {
      encoding: 'utf8',
    });
    if (status === 0) return [undefined];
    const reason = /Error: (.*)/.exec(stderr ?? '')?.[1] ?? 'loading it ended the process';
    return [`${name} cannot be loaded here (${reason})`];
  });
  if (troubles.includes(undefined)) return undefined;
  return troubles[0] ?? 'no prebuilt addon for this platform is installed';
}

/**
 * What `npm install` and `npm rebuild` of an engine do: compiles the addon where none is there that
 * this machine can load. In a checkout it does nothing, because `npm run build:native` builds there.
 *
 * @param {object} engine
 * @param {string} engine.packageFolder folder of the engine's package
 * @param {string} engine.addonName name of the addon's file without `.node`
 * @param {string} engine.addonVariable environment variable that names an addon to load
 * @param {() => Promise<{ definitions?: Record<string, string>, sources?: Record<string, string> }>}
 * [engine.prepare] fetches what the addon is built from, and returns CMake variables, those that name
 * source trees apart; called only when something is to be built
 * @param {boolean} [engine.ownBuild] whether one is wanted that no prebuilt package can be, so that it is
 * compiled even where there is one; it is found before that
 */
export async function installAddon(engine) {
  const { packageFolder, addonName, addonVariable, prepare, ownBuild = false } = engine;
  const isCheckout = existsSync(join(packageFolder, '..', '..', 'pnpm-workspace.yaml'));
  const { name } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  if (isCheckout || process.env[addonVariable]) return;
  const trouble = ownBuild
    ? 'an addon of its own is wanted'
    : prebuiltTrouble(packageFolder, name, addonName);
  if (trouble === undefined) return;
  const buildFolder = join(packageFolder, 'build');
  const rebuild = process.env.npm_command === 'rebuild';
  if (existsSync(addonFile(buildFolder, addonName)) && !rebuild) return;
  process.stderr.write(`${name}: ${trouble}, compiling it (minutes) …\n`);
  const { definitions: own, sources } = (await prepare?.()) ?? {};
  const definitions = { ...own, MOBILLM_WARNINGS_AS_ERRORS: 'OFF' };
  await compile({ packageFolder, addonName, buildFolder, definitions, sources });
  // What is left over from compiling is ten times the addon.
  for (const entry of readdirSync(buildFolder)) {
    if (entry !== 'Release') rmSync(join(buildFolder, entry), { recursive: true });
  }
}
