import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pnpm } from './pnpm.mjs';
import { runCommand } from './run-command.mjs';
import { UserError } from './user-error.mjs';
import { readJson } from './workspace.mjs';

/** What a prebuilt addon may come to, packed: what everybody has to download who installs an engine. */
const maxPackedBytes = 12e6;

/**
 * Packs a package of the workspace, which turns `workspace:` ranges into versions.
 *
 * @param {string} folder
 * @param {string} target folder for the tarball
 * @returns {Promise<string>} path of the tarball
 */
export function packWorkspace(folder, target) {
  return pack(pnpm, folder, target);
}

/**
 * Packs a generated package as it lies there.
 *
 * @param {string} folder
 * @param {string} target folder for the tarball
 */
export function packGenerated(folder, target) {
  // What was packed once has nothing to prepare, and no scripts to prepare it with.
  return pack((args, options) => runCommand('npm', args, options), folder, target, [
    '--ignore-scripts',
  ]);
}

async function pack(run, folder, target, flags = []) {
  mkdirSync(target, { recursive: true });
  // A folder of its own: what was in the target before may have the same name.
  const aside = mkdtempSync(join(target, '.pack-'));
  try {
    const args = ['pack', '--pack-destination', aside, ...flags];
    const { status, output } = await run(args, { cwd: folder, quiet: true });
    const made = readdirSync(aside).find((name) => name.endsWith('.tgz'));
    if (status !== 0 || made === undefined) {
      throw new UserError(`Packing ${folder} failed (exit status ${status}):\n${output}`);
    }
    renameSync(join(aside, made), join(target, made));
    return join(target, made);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/**
 * Names the prebuilt packages that there are in the manifest of a packed engine, so that package managers
 * install the one that fits. Only those: one that does not exist is looked for by every install.
 *
 * @param {string} tarball replaced
 * @param {Readonly<Record<string, string>>} optionalDependencies versions by name
 */
export async function addOptionalDependencies(tarball, optionalDependencies) {
  const work = mkdtempSync(`${tarball}-`);
  try {
    const { status, output } = await runCommand('tar', ['-xzf', tarball, '-C', work], {
      quiet: true,
    });
    if (status !== 0) throw new UserError(`${tarball} could not be unpacked:\n${output}`);
    const folder = join(work, 'package');
    const manifest = { ...readJson(join(folder, 'package.json')), optionalDependencies };
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    const made = await packGenerated(folder, work);
    renameSync(made, tarball);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Prints what a prebuilt package comes to.
 *
 * @param {string} tarball
 * @param {boolean} isLimited whether everybody has to download it
 * @throws {UserError} when it is too large.
 */
export function checkPackedSize(tarball, isLimited) {
  const { size } = statSync(tarball);
  const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
  const limit = isLimited ? ` of at most ${megabytes(maxPackedBytes)}` : '';
  console.log(`${basename(tarball)}: ${megabytes(size)} MB packed${limit}`);
  if (!isLimited || size <= maxPackedBytes) return;
  throw new UserError(
    `${basename(tarball)} has ${megabytes(size)} MB packed, which is more than ${megabytes(maxPackedBytes)}.`,
  );
}
