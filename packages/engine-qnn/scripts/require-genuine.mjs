import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../../../scripts/lib/user-error.mjs';
import { emulatorPin } from './emulator-pin.mjs';

/**
 * Makes sure that a folder holds Qualcomm's own libraries, of the pinned build, byte for byte. Tests on
 * anything else, however like it looks, would prove nothing.
 *
 * @param {string} folder
 * @throws {UserError} naming the first file that is missing or another one.
 */
export async function requireGenuine(folder) {
  for (const { name, sha256 } of emulatorPin.entries) {
    if (sha256 === undefined) continue;
    const path = join(folder, basename(name));
    const actual = await sumOf(path);
    if (actual === sha256) continue;
    throw new UserError(
      `${path} is not Qualcomm's library of the build ${emulatorPin.buildId} (sha256 ${actual ?? 'of no file'} instead of ${sha256}), and the tests of @mobillm/engine-qnn run on nothing else: remove the folder, and run the command again.`,
    );
  }
}

/** Undefined where there is no file that can be read. */
async function sumOf(path) {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}
