// Makes all npm packages of a release, as tarballs: those of the workspace, and for what was built for
// each platform one package with the addon and one for each back end beside it. An engine's manifest
// names the addons' packages as optional dependencies, of which npm installs the one that fits.
//   node scripts/make-packages.mjs --out <folder> [<engine>:<platform>=<built folder> …]
// Without a built folder: what "build-native.mjs --release" made here. Publish what it prints, in order.
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  addOptionalDependencies,
  checkPackedSize,
  packGenerated,
  packWorkspace,
} from './lib/pack.mjs';
import { hostPlatform, platformNamed, platformName } from './lib/platforms.mjs';
import { makePrebuilt } from './lib/prebuilt.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { nativePackages, publishedPackages, root } from './lib/workspace.mjs';

/**
 * @typedef {{ engine: string, row: import('./lib/platforms.mjs').platforms[number], from: string }} Built
 * what was built: the engine's folder in `packages/`, for which platform, and where it lies
 *
 * @typedef {{ manifest: Record<string, any>, tarball: string }} Published
 *
 * @typedef {Published & { engineName: string, backend?: string }} Prebuilt `engineName`: package that it
 * belongs to
 */

/**
 * Packs the workspace's packages.
 *
 * @param {string} out folder for the tarballs
 * @returns {Promise<(Published & { folder: string })[]>}
 */
export async function packPublished(out) {
  const packed = [];
  for (const { folder, manifest } of publishedPackages()) {
    packed.push({ folder, manifest, tarball: await packWorkspace(folder, out) });
  }
  return packed;
}

/**
 * Makes and packs the packages of what was built.
 *
 * @param {readonly Built[]} built
 * @param {string} out folder for the tarballs
 * @returns {Promise<Prebuilt[]>}
 * @throws {UserError} when one is not what it is said to be, or too large.
 */
export async function packPrebuilt(built, out) {
  const packed = [];
  for (const item of built) {
    for (const { folder, ...rest } of makePrebuilt({ ...item, out: join(out, 'folders') })) {
      const tarball = await packGenerated(folder, out);
      checkPackedSize(tarball, rest.backend === undefined);
      packed.push({ ...rest, tarball });
    }
  }
  return packed;
}

/**
 * Names the prebuilt addons in the packed engines that they belong to. Replaces the engines' tarballs.
 *
 * @param {readonly Published[]} published
 * @param {readonly Prebuilt[]} prebuilt
 */
export async function joinPackages(published, prebuilt) {
  for (const { manifest, tarball } of published) {
    const own = prebuilt.filter(
      ({ engineName, backend }) => engineName === manifest.name && backend === undefined,
    );
    if (own.length === 0) continue;
    const versions = own.map(({ manifest: { name, version } }) => [name, version]);
    await addOptionalDependencies(tarball, Object.fromEntries(versions));
  }
}

/** @returns {Built} */
function readBuilt(text) {
  const match = /^([\w-]+):([\w-]+)=(.+)$/.exec(text);
  if (match === null || !existsSync(join(root, 'packages', match[1], 'CMakeLists.txt'))) {
    throw new UserError(
      `"${text}" is not <engine>:<platform>=<folder>, as engine-llamacpp:linux-x64=….`,
    );
  }
  return { engine: match[1], row: platformNamed(match[2]), from: resolve(match[3]) };
}

/** @returns {Built[]} */
function builtHere() {
  return nativePackages().map(({ folder }) => ({
    engine: basename(folder),
    row: hostPlatform(),
    from: join(folder, 'build-release', 'Release'),
  }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    const { values, positionals } = parseArgs({
      options: { out: { type: 'string' } },
      allowPositionals: true,
    });
    if (values.out === undefined) throw new UserError('--out <folder> says where they are to go.');
    const out = resolve(values.out);
    const built = positionals.length === 0 ? builtHere() : positionals.map(readBuilt);
    for (const { engine, row } of built) console.log(`${engine} for ${platformName(row)}`);
    const prebuilt = await packPrebuilt(built, out);
    const published = await packPublished(out);
    await joinPackages(published, prebuilt);
    for (const { tarball } of [...prebuilt, ...published])
      console.log(`npm publish --access public ${tarball}`);
  });
}
