// Takes the wheels that the model compiler runs on (compiler/requirements.txt, 150 MB) into the cache
// that all projects of this user share, and prints their folder.
//   node fetch-compiler.mjs

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FetchError } from './wheel.mjs';

/** What a killed process left behind is cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** Written last, so that a folder with it is complete. */
const doneFile = 'complete.json';

const requirements = fileURLToPath(new URL('../compiler/requirements.txt', import.meta.url));

/** Asked in this order; the first that is a CPython 3.10 to 3.13 is taken. */
const pythons = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];

const describePython =
  'import json,platform,sys;print(json.dumps([platform.python_implementation(),' +
  'sys.version_info[0],sys.version_info[1],platform.machine()]))';

/** Where downloads are kept: `MOBILLM_CACHE_DIR`, or `mobillm` in the user's cache folder. */
function cacheFolder() {
  const { MOBILLM_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  if (MOBILLM_CACHE_DIR) return resolve(MOBILLM_CACHE_DIR);
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'mobillm');
}

/**
 * Makes sure that the compiler's wheels are installed. Two processes may do so at once: each works
 * aside, and the first one's result stays.
 *
 * @param {object} [options]
 * @param {string} [options.python] program to run, instead of looking for one
 * @param {(what: string) => void} [options.onStep] told what takes time, in a few words
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<{ python: string, packages: string }>} the program, and the folder for PYTHONPATH
 * @throws {FetchError} without Python 3.10 to 3.13 or pip, and where the wheels cannot be installed
 */
export async function ensureMlcCompiler({ python, onStep = () => {}, signal } = {}) {
  const { program, tag } = await findPython(python ?? process.env.MOBILLM_PYTHON, signal);
  const pins = await readFile(requirements);
  const key = createHash('sha256').update(pins).digest('hex').slice(0, 12);
  const cache = cacheFolder();
  const target = join(cache, `tvm-compiler-${process.platform}-${tag}-${key}`);
  if (existsSync(join(target, doneFile))) return { python: program, packages: target };
  await mkdir(cache, { recursive: true });
  await clearAbandoned(cache);
  const work = await mkdtemp(join(cache, '.tvm-compiler-'));
  try {
    const tree = join(work, 'tree');
    onStep('downloading the compiler (150 MB, once)');
    await install(program, tree, signal);
    await writeFile(join(tree, doneFile), `${JSON.stringify({ requirements: key, tag })}\n`);
    await moveInto(tree, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { python: program, packages: target };
}

async function findPython(asked, signal) {
  const seen = [];
  for (const program of asked ? [asked] : pythons) {
    const { status, stdout } = await run(program, ['-c', describePython], signal);
    if (status !== 0) continue;
    const [implementation, major, minor, machine] = JSON.parse(stdout);
    if (implementation === 'CPython' && major === 3 && minor >= 10 && minor <= 13) {
      return { program, tag: `${machine}-cp${major}${minor}` };
    }
    seen.push(`${program} is ${implementation} ${major}.${minor}`);
  }
  const found = seen.length === 0 ? 'None was found' : `Found: ${seen.join(', ')}`;
  throw new FetchError(
    `Compiling models needs CPython 3.10 to 3.13 with pip (on Debian and Ubuntu, "apt-get install python3 python3-pip"). ${found}. MOBILLM_PYTHON names another one.`,
  );
}

async function install(program, tree, signal) {
  const args = ['-m', 'pip', 'install', '--require-hashes', '--only-binary', ':all:', '--no-deps'];
  const quiet = ['--quiet', '--no-input', '--disable-pip-version-check', '--no-warn-conflicts'];
  const { status, output } = await run(
    program,
    [...args, ...quiet, '--target', tree, '--requirement', requirements],
    signal,
  );
  if (status === 0) return;
  if (output.includes('No module named pip')) {
    throw new FetchError(
      `Compiling models needs pip, and ${program} has none: install it (on Debian and Ubuntu, "apt-get install python3-pip").`,
    );
  }
  throw new FetchError(
    `The wheels of the model compiler could not be installed; they exist for Linux on x86-64 and aarch64. Check the network and the index that pip is set to. pip said:\n${output.trim().slice(-2000)}`,
  );
}

/** Runs a program; `status` is undefined when there is none of that name. */
async function run(program, args, signal) {
  signal?.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  let stdout = '';
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout = (stdout + text).slice(-65_536);
    output = (output + text).slice(-65_536);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output = (output + text).slice(-65_536);
  });
  try {
    const status = await new Promise((done) => {
      child.once('error', () => done(undefined));
      child.once('close', (code) => done(code ?? -1));
    });
    signal?.throwIfAborted();
    return { status, stdout, output };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Another process may have been quicker: then its result is the same. What is not complete goes. */
async function moveInto(tree, target) {
  try {
    await rename(tree, target);
  } catch (error) {
    if (existsSync(join(target, doneFile))) return;
    if (!existsSync(target)) throw error;
    await rm(target, { recursive: true, force: true });
    await rename(tree, target);
  }
}

async function clearAbandoned(cache) {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.tvm-compiler-')) continue;
    const path = join(cache, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && Date.now() - entry.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

// A package manager's link to this file is this file.
const isMain =
  process.argv[1] !== undefined &&
  existsSync(process.argv[1]) &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isMain) {
  try {
    const onStep = (what) => process.stderr.write(`engine-mlc: ${what} …\n`);
    process.stdout.write(`${(await ensureMlcCompiler({ onStep })).packages}\n`);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
