// Makes the npm package that holds an engine's addon for the platform that it was built on.
//   node scripts/make-prebuilt.mjs --out <folder> [--engine engine-llamacpp] [--from <built folder>]
// The manifest is generated from scripts/lib/platforms.mjs; nothing of it is kept in the repository.
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hostPlatform, prebuiltName } from './lib/platforms.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { readJson, root } from './lib/workspace.mjs';

/** Engines whose addon has a third party's library linked into it. */
const holdsLibrary = new Set(['engine-llamacpp']);

/**
 * Writes the package into a folder of its own below `out`.
 *
 * @param {object} options
 * @param {string} options.out
 * @param {string} [options.engine] folder of the engine in `packages/`
 * @param {string} [options.from] folder with the built `.node` file and the libraries beside it
 * @returns {{ name: string, folder: string }}
 * @throws {UserError} when nothing is built there.
 */
export function makePrebuilt({ out, engine = 'engine-llamacpp', from }) {
  const source = join(root, 'packages', engine);
  const built = from ?? join(source, 'build', 'Release');
  const files = existsSync(built) ? readdirSync(built).filter(isLoaded) : [];
  const addon = files.find((file) => file.endsWith('.node'));
  if (addon === undefined) {
    throw new UserError(`There is no addon in ${built}: run "npm run build:native" first.`);
  }
  // An addon that holds a library inside carries its licence; the others open theirs at run time.
  const licences = readdirSync(built).filter((file) => file.startsWith('LICENSE.'));
  if (licences.length === 0 && holdsLibrary.has(engine)) {
    throw new UserError(`${built} holds no licence of the library in the addon: build it again.`);
  }
  const row = hostPlatform();
  const { name, version, license, engines } = readJson(join(source, 'package.json'));
  const manifest = {
    name: prebuiltName(name, row),
    version,
    description: `The addon of ${name} for ${row.platform} ${row.arch}.`,
    license,
    os: [row.platform],
    cpu: [row.arch],
    ...(row.libc !== undefined && { libc: [row.libc] }),
    engines,
    main: `./${addon}`,
    files: [...files, ...licences],
  };
  const folder = join(resolve(out), manifest.name.replace('@', '').replace('/', '-'));
  mkdirSync(folder, { recursive: true });
  for (const file of manifest.files) copyFileSync(join(built, file), join(folder, file));
  copyFileSync(join(source, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(
    join(folder, 'README.md'),
    `# ${manifest.name}\n\n${manifest.description} Installed by that package; not for direct use.\n`,
  );
  return { name: manifest.name, folder };
}

/** The addon, and the libraries that it loads from its own folder. */
function isLoaded(file) {
  return /\.(?:node|so(?:\.\d+)*|dylib|dll)$/.test(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    const { values } = parseArgs({
      options: { out: { type: 'string' }, engine: { type: 'string' }, from: { type: 'string' } },
    });
    if (values.out === undefined) throw new UserError('--out <folder> says where it is to go.');
    console.log(makePrebuilt(values).folder);
  });
}
