// Bundles every published door under each condition it is meant for, and fails where one of Node's
// own modules is imported under a condition that has none.
import { builtinModules } from 'node:module';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { applyBrowserMap } from './lib/browser-map.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { publishedPackages, root } from './lib/workspace.mjs';

/** Doors that are for Node alone: test suites run there under Vitest, MLC's compiler runs Python. */
const nodeOnlyDoors = new Set(['@mobillm/core/testing', '@mobillm/engine-mlc/compile']);

/** Doors that a web page may use; the others need files or an addon. */
const browserDoors = new Set(['@mobillm/core']);

const builtins = new Set(builtinModules);
const isBuiltin = (path) => path.startsWith('node:') || builtins.has(path.split('/')[0]);

/** Marks a question that the plugin asks itself. */
const resolving = Symbol('resolving');

await runMain(async () => {
  const faults = [];
  let checked = 0;
  for (const { folder, manifest } of publishedPackages()) {
    for (const door of Object.keys(manifest.exports)) {
      if (door.endsWith('.json')) continue;
      const name = join(manifest.name, door).replaceAll('\\', '/');
      for (const condition of conditionsOf(name)) {
        checked += 1;
        faults.push(...(await bundle(name, folder, condition)));
      }
    }
  }
  if (faults.length > 0) throw new UserError(faults.join('\n'));
  console.log(`${checked} bundles, no import that its platform does not have`);
});

function conditionsOf(name) {
  return [
    'node',
    ...(browserDoors.has(name) ? ['browser'] : []),
    ...(nodeOnlyDoors.has(name) ? [] : ['react-native']),
  ];
}

/** @returns what is wrong, one sentence each */
async function bundle(name, folder, condition) {
  const faults = [];
  const say = (fault) => faults.push(`${name} under "${condition}": ${fault}`);
  const notice = {
    name: 'notice-node-modules',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^[^.]/ }, async ({ path, importer, kind, resolveDir, pluginData }) => {
        if (kind === 'entry-point' || pluginData === resolving) return undefined;
        if (!path.startsWith('#') && isBuiltin(path)) {
          if (condition !== 'node') say(`${relative(root, importer)} imports ${path}`);
          return { path, external: true };
        }
        if (condition !== 'react-native') return undefined;
        const found = await resolve(path, { importer, kind, resolveDir, pluginData: resolving });
        if (found.errors.length > 0 || found.external) return found;
        const mapped = applyBrowserMap(found.path);
        return mapped === false ? { path: found.path, namespace: 'empty' } : { path: mapped };
      });
      onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents: '' }));
    },
  };
  const result = await build({
    // A package can import itself by its name, so nothing has to be installed to try it.
    stdin: { contents: `export * from '${name}';`, resolveDir: folder },
    bundle: true,
    // What a manifest says counts, not the paths that our own type checks are told.
    tsconfigRaw: {},
    write: false,
    format: 'esm',
    platform: condition === 'node' ? 'node' : 'neutral',
    mainFields:
      condition === 'node' ? ['module', 'main'] : ['react-native', 'browser', 'module', 'main'],
    conditions: [condition, 'import'],
    // Peers that the application brings, if it has them at all.
    external: ['react-native-node-api', 'vitest', 'vitest/*'],
    plugins: [notice],
    logLevel: 'silent',
  }).catch((error) => {
    for (const { text } of error.errors ?? [{ text: String(error) }]) say(text);
    return undefined;
  });
  if (result?.outputFiles[0].contents.length === 0)
    say('the bundle is empty; is the package built?');
  return faults;
}
