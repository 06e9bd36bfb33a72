import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { wrongTarget } from './binary-target.mjs';
import { prebuiltName } from './platforms.mjs';
import { UserError } from './user-error.mjs';
import { readJson, root } from './workspace.mjs';

/** Engines whose addon has a third party's library linked into it. */
const holdsLibrary = new Set(['engine-llamacpp']);

/**
 * Writes the npm packages that hold what was built for one platform, each into a folder of its own below
 * `out`: the addon, and each back end that lies in a folder of its name beside it. Their manifests are
 * generated from `platforms.mjs`; nothing of them is kept in the repository.
 *
 * @param {object} options
 * @param {string} options.out
 * @param {string} options.engine folder of the engine in `packages/`
 * @param {string} options.from folder with the built `.node` file and the libraries beside it
 * @param {import('./platforms.mjs').platforms[number]} options.row what it was built for
 * @returns {{ engineName: string, manifest: Record<string, any>, folder: string, backend?: string }[]}
 * the addon's first
 * @throws {UserError} when nothing is built there, or for another platform.
 */
export function makePrebuilt({ out, engine, from, row }) {
  const source = join(root, 'packages', engine);
  const entries = existsSync(from) ? readdirSync(from, { withFileTypes: true }) : [];
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const addon = files.find((file) => file.endsWith('.node'));
  if (addon === undefined) {
    throw new UserError(
      `There is no addon in ${from}: run "node packages/${engine}/scripts/build-native.mjs --release" first.`,
    );
  }
  // An addon that holds a library inside carries its licence; the others open theirs at run time.
  const licences = files.filter((file) => file.startsWith('LICENSE.'));
  if (licences.length === 0 && holdsLibrary.has(engine)) {
    throw new UserError(`${from} holds no licence of the library in the addon: build it again.`);
  }
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const own = readJson(join(source, 'package.json'));
  const write = (manifest, paths) => {
    const folder = join(resolve(out), manifest.name.replace('@', '').replace('/', '-'));
    writePackage({ folder, manifest, source, row, paths: [...paths, ...licencePaths] });
    return { engineName: own.name, manifest, folder };
  };
  const licencePaths = licences.map((file) => join(from, file));
  const libraries = files.filter(isLoaded).map((file) => join(from, file));
  const backends = folders
    .map((backend) => ({ backend, paths: librariesIn(join(from, backend)) }))
    .filter(({ paths }) => paths.length > 0);
  return [
    write(addonManifest(own, row, addon), libraries),
    ...backends.map(({ backend, paths }) => ({
      ...write(backendManifest(own, row, backend), paths),
      backend,
    })),
  ];
}

function addonManifest(own, row, addon) {
  return {
    ...commonManifest(own, row),
    description: `The addon of ${own.name} for ${row.platform} ${row.arch}.`,
    main: `./${addon}`,
  };
}

/**
 * A back end is loaded by the addon of the same version alone, and nobody gets it who has not asked for it:
 * it is no optional dependency of the engine but one that the application names.
 */
function backendManifest(own, row, backend) {
  if (!row.backends.includes(backend)) {
    throw new UserError(
      `The back end ${backend} is none of ${row.platform} ${row.arch} in scripts/lib/platforms.mjs.`,
    );
  }
  return {
    ...commonManifest(own, row, backend),
    description: `The ${backend} back end of ${own.name} for ${row.platform} ${row.arch}.`,
    peerDependencies: { [own.name]: own.version },
  };
}

function commonManifest({ name, version, license, engines }, row, backend) {
  return {
    name: prebuiltName(name, row, backend),
    version,
    license,
    os: [row.platform],
    cpu: [row.arch],
    ...(row.libc !== undefined && { libc: [row.libc] }),
    engines,
  };
}

function writePackage({ folder, manifest, source, row, paths }) {
  mkdirSync(folder, { recursive: true });
  for (const path of paths) {
    const wrong = isLoaded(path) ? wrongTarget(readFileSync(path), row) : undefined;
    if (wrong !== undefined) {
      throw new UserError(`${path} ${wrong}, and was to go into ${manifest.name}.`);
    }
    copyFileSync(path, join(folder, basename(path)));
  }
  copyFileSync(join(source, 'LICENSE'), join(folder, 'LICENSE'));
  const files = paths.map((path) => basename(path));
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ ...manifest, files }, null, 2)}\n`,
  );
  const use =
    manifest.peerDependencies === undefined
      ? 'Installed by that package; not for direct use.'
      : 'Install it beside that package, in the same version; the engine finds it.';
  writeFileSync(
    join(folder, 'README.md'),
    `# ${manifest.name}\n\n${manifest.description} ${use}\n`,
  );
}

function librariesIn(folder) {
  return readdirSync(folder)
    .filter(isLoaded)
    .map((file) => join(folder, file));
}

/** The addon, and the libraries that it loads from its own folder. */
function isLoaded(file) {
  return /\.(?:node|so(?:\.\d+)*|dylib|dll)$/.test(file);
}
