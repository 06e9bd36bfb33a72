import { join } from 'node:path';
import { looksOffline, runCommand } from './run-command.mjs';
import { UserError } from './user-error.mjs';
import { readJson, root } from './workspace.mjs';

/** The pnpm that the root manifest names: `pnpm@10.34.9`. */
export const pnpmVersion = readJson(join(root, 'package.json')).packageManager.split('+')[0];

/**
 * Runs pnpm through npx, so that nothing needs to be installed globally. Its folder is then in the
 * path of what it starts, which turbo needs.
 *
 * @param {readonly string[]} args
 * @param {Parameters<typeof runCommand>[2]} [options]
 */
export function pnpm(args, options = {}) {
  return runCommand('npx', ['--yes', pnpmVersion, ...args], { cwd: root, ...options });
}

/**
 * Installs what the lockfile names.
 *
 * @param {Parameters<typeof runCommand>[2]} [options]
 * @throws {UserError} when the registry cannot be reached or the install fails.
 */
export async function installDependencies(options) {
  const { status, output } = await pnpm(
    ['install', '--frozen-lockfile', '--reporter=append-only'],
    options,
  );
  if (status === 0) return;
  if (looksOffline(output)) {
    throw new UserError(
      'The npm registry cannot be reached: check the network (HTTPS_PROXY names a proxy, "npm config set registry <url>" another registry), then run the command again.',
    );
  }
  throw new UserError(
    'The dependencies could not be installed; what pnpm said stands above, and "npx --yes ' +
      `${pnpmVersion} install --frozen-lockfile" repeats it alone.`,
  );
}

/**
 * Runs turbo tasks.
 *
 * @param {readonly string[]} args
 * @param {Parameters<typeof runCommand>[2]} [options]
 * @throws {UserError} when one fails.
 */
export async function turbo(args, options) {
  const { status } = await pnpm(['exec', 'turbo', 'run', ...args], options);
  if (status !== 0) {
    throw new UserError(
      `The build failed; what the compiler said stands above, and "node scripts/pnpm.mjs exec turbo run ${args.join(' ')}" repeats it alone.`,
    );
  }
}
