import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addonFile, compile } from './compile.mjs';

function hasPrebuilt(packageFolder, packageName) {
  const require = createRequire(join(packageFolder, 'package.json'));
  const base = `${packageName}-${process.platform}-${process.arch}`;
  return [base, `${base}-musl`].some((name) => {
    try {
      require.resolve(`${name}/package.json`);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * What `npm install` and `npm rebuild` of an engine do: compiles the addon where none is there for
 * this platform. In a checkout it does nothing, because `npm run build:native` builds there.
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
  if (!ownBuild && hasPrebuilt(packageFolder, name)) return;
  const buildFolder = join(packageFolder, 'build');
  const rebuild = process.env.npm_command === 'rebuild';
  if (existsSync(addonFile(buildFolder, addonName)) && !rebuild) return;
  process.stderr.write(
    `${name}: ${ownBuild ? 'an addon of its own is wanted' : 'no prebuilt addon for this platform'}, compiling it (minutes) …\n`,
  );
  const { definitions: own, sources } = (await prepare?.()) ?? {};
  const definitions = { ...own, MOBILLM_WARNINGS_AS_ERRORS: 'OFF' };
  await compile({ packageFolder, addonName, buildFolder, definitions, sources });
  // What is left over from compiling is ten times the addon.
  for (const entry of readdirSync(buildFolder)) {
    if (entry !== 'Release') rmSync(join(buildFolder, entry), { recursive: true });
  }
}
