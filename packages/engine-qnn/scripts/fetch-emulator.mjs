// Takes Qualcomm's own HTP emulator for x86-64 into the cache that all checkouts share, and prints
// the folder of its libraries. For this repository's tests alone: the vendor's licence forbids to pass
// the libraries on by themselves, so they are in no package, and this script neither.
//   node scripts/fetch-emulator.mjs
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';
import { progressLine } from '../../../scripts/lib/progress-line.mjs';
import { runMain, UserError } from '../../../scripts/lib/user-error.mjs';
import { openZipEntry } from '../../../scripts/lib/zip-entry.mjs';
import { emulatorPin } from './emulator-pin.mjs';
import { downloadWheel } from './download-wheel.mjs';
import { requireGenuine } from './require-genuine.mjs';

/** Downloads that a killed process left behind are cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Why this machine cannot run the emulator, as a sentence; `undefined` where it can.
 *
 * @param {{ platform: string, arch: string, glibc?: string }} [machine]
 */
export function whyNoEmulator(machine = thisMachine()) {
  const needs = `Qualcomm's HTP emulator needs Linux on x86-64 with glibc ${emulatorPin.glibc} or later`;
  if (machine.platform !== 'linux' || machine.arch !== 'x64') {
    return `${needs}, and this is ${machine.platform} on ${machine.arch}: the tests of @mobillm/engine-qnn run there only.`;
  }
  if (machine.glibc === undefined) {
    return `${needs}, and this system's C library is another one: the tests of @mobillm/engine-qnn run there only.`;
  }
  if (!isAtLeast(machine.glibc, emulatorPin.glibc)) {
    return `${needs}, and this system has glibc ${machine.glibc}: update the system to run the tests of @mobillm/engine-qnn.`;
  }
  return undefined;
}

function thisMachine() {
  const { platform, arch } = process;
  // Other systems have no such header, and the report takes tens of milliseconds.
  const header = platform === 'linux' ? process.report.getReport().header : {};
  return { platform, arch, glibc: header.glibcVersionRuntime };
}

function isAtLeast(version, least) {
  const [major, minor] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = least.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/**
 * Folder of the emulator's libraries (`libQnnHtp.so`, `libQnnSystem.so` …), with their licence beside
 * them; downloads and checks what is not in the cache yet. Two processes may call it at once: each
 * works aside, and the first one's result stays.
 *
 * @param {object} [options]
 * @param {(progress: { phase: 'downloading' | 'unpacking', doneBytes: number, totalBytes: number }) => void} [options.onProgress]
 * @param {AbortSignal} [options.signal] stops it; the call then rejects with the signal's reason
 * @returns {Promise<string>}
 * @throws {UserError} where this machine has no emulator, python, pip or the network is missing, or
 * the sum is wrong.
 */
export async function ensureQnnEmulator({ onProgress = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  const obstacle = whyNoEmulator();
  if (obstacle !== undefined) throw new UserError(obstacle);
  const cache = cacheFolder();
  const target = join(cache, `qnn-emulator-${emulatorPin.wheelSha256.slice(0, 12)}`);
  const libraries = join(target, dirname(emulatorPin.entries[0].name));
  // It is renamed into place as a whole: what is there is complete.
  if (existsSync(target)) return libraries;
  await mkdir(cache, { recursive: true });
  await clearAbandoned(cache);
  const aside = await mkdtemp(join(cache, '.qnn-emulator-'));
  try {
    const wheel = await downloadWheel(emulatorPin, aside, {
      onProgress: (doneBytes) =>
        onProgress({ phase: 'downloading', doneBytes, totalBytes: emulatorPin.wheelBytes }),
      signal,
    });
    await requireSum(wheel, signal);
    const tree = join(aside, 'tree');
    await unpack(wheel, tree, onProgress, signal);
    await moveInto(tree, target);
    return libraries;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function requireSum(wheel, signal) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(wheel, { highWaterMark: 1 << 20 }), hash, { signal });
  const actual = hash.digest('hex');
  if (actual === emulatorPin.wheelSha256) return;
  throw new UserError(
    `What was downloaded for ${emulatorPin.requirement} is not what was expected (sha256 ${actual} instead of ${emulatorPin.wheelSha256}): a proxy or mirror may have replaced it; nothing was kept, so run the command again.`,
  );
}

async function unpack(wheel, tree, onProgress, signal) {
  const totalBytes = emulatorPin.entries.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let doneBytes = 0;
  for (const entry of emulatorPin.entries) {
    const { content } = await openZipEntry(wheel, (name) => name === entry.name);
    const path = join(tree, entry.name);
    await mkdir(dirname(path), { recursive: true });
    const count = async function* (chunks) {
      for await (const chunk of chunks) {
        doneBytes += chunk.length;
        onProgress({ phase: 'unpacking', doneBytes, totalBytes });
        yield chunk;
      }
    };
    await pipeline(content, count, createWriteStream(path), { signal });
    const { size } = await stat(path);
    if (size !== entry.fileBytes) {
      throw new Error(`${basename(path)} has ${size} bytes instead of ${entry.fileBytes}.`);
    }
  }
}

/** Another process may have been quicker: then its result is the same. */
async function moveInto(tree, target) {
  try {
    await rename(tree, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  }
}

async function clearAbandoned(cache) {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.qnn-emulator-')) continue;
    const path = join(cache, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && Date.now() - entry.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** As {@link ensureQnnEmulator}, telling its progress on standard error. */
export async function ensureQnnEmulatorAloud(signal) {
  const titles = {
    downloading: `Downloading Qualcomm's HTP emulator (${emulatorPin.requirement})`,
    unpacking: "Unpacking Qualcomm's HTP emulator",
  };
  let line;
  let phase;
  try {
    return await ensureQnnEmulator({
      signal,
      onProgress(progress) {
        if (progress.phase !== phase) {
          line?.done();
          phase = progress.phase;
          line = progressLine(titles[phase]);
        }
        line.update(progress.doneBytes, progress.totalBytes);
      },
    });
  } finally {
    line?.done();
  }
}

/**
 * Makes the engine and all child processes take the emulator, whatever else is installed, having made
 * sure that it is Qualcomm's own.
 *
 * @returns whether there is one; if not, the reason was printed and the exit status is 1.
 */
export async function useEmulator() {
  await runMain(async () => {
    const folder = await ensureQnnEmulatorAloud();
    await requireGenuine(folder);
    process.env.MOBILLM_QNN_LIBRARY_DIR = folder;
  });
  return process.exitCode === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => console.log(await ensureQnnEmulatorAloud()));
}
