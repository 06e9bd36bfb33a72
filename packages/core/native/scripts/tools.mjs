/** What the build scripts need of the machine: programs, and sentences for those that are missing. */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A failure whose message is all that the user has to read: no stack is printed. */
export class BuildError extends Error {}

/** How to get each program, with and without root. */
const remedies = {
  cmake: {
    apt: 'cmake',
    rootless: 'python3 -m pip install --user cmake',
  },
  ninja: {
    apt: 'ninja-build',
    rootless: 'python3 -m pip install --user ninja',
  },
  git: { apt: 'git', rootless: undefined },
  tar: { apt: 'tar', rootless: undefined },
  'c++': { apt: 'g++', rootless: undefined },
};

/** The first of some program names that is on the PATH, as a path; `undefined` when none is. */
export function findProgram(...names) {
  const extensions = process.platform === 'win32' ? ['.exe', '.cmd', '.bat', ''] : [''];
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      for (const extension of extensions) {
        const path = join(folder, name + extension);
        if (folder !== '' && existsSync(path)) return path;
      }
    }
  }
  return undefined;
}

/** The install command for a missing program on this machine. */
function installCommand(name) {
  const { apt, rootless } = remedies[name];
  if (process.platform === 'darwin') {
    return name === 'cmake' || name === 'ninja' ? `brew install ${name}` : 'xcode-select --install';
  }
  if (process.platform === 'win32') {
    return name === 'c++'
      ? 'winget install Microsoft.VisualStudio.2022.BuildTools'
      : `winget install ${{ cmake: 'Kitware.CMake', ninja: 'Ninja-build.Ninja', git: 'Git.Git' }[name] ?? name}`;
  }
  if (findProgram('pkg') && process.env.PREFIX?.includes('com.termux')) {
    return `pkg install ${name === 'c++' ? 'clang' : name}`;
  }
  const root = typeof process.getuid === 'function' && process.getuid() === 0;
  const system = findProgram('apt-get')
    ? `${root ? '' : 'sudo '}apt-get install -y ${apt}`
    : findProgram('dnf')
      ? `${root ? '' : 'sudo '}dnf install -y ${{ 'c++': 'gcc-c++', ninja: 'ninja-build' }[name] ?? name}`
      : findProgram('apk')
        ? `${root ? '' : 'sudo '}apk add ${{ 'c++': 'g++ linux-headers', ninja: 'ninja' }[name] ?? name}`
        : undefined;
  const withoutRoot =
    !root && rootless !== undefined && findProgram('python3')
      ? `${rootless}" (needs no root; put ~/.local/bin on the PATH)`
      : undefined;
  if (system === undefined) return withoutRoot ?? `your system's package of ${name}`;
  return withoutRoot === undefined ? system : `${system}" or "${withoutRoot}`;
}

/** Path of a program that has to be there; a {@link BuildError} says how to get it. */
export function requireProgram(name, ...alternatives) {
  const path = findProgram(name, ...alternatives);
  if (path === undefined) {
    const command = installCommand(name);
    throw new BuildError(
      `${name} is needed to build the native addon and is not on the PATH. Install it with "${command}${command.includes(')') ? '' : '"'}.`,
    );
  }
  return path;
}

/** Runs a program with its output shown; a {@link BuildError} when it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32' && command.endsWith('.cmd'),
      ...options,
    });
    child.on('error', (error) =>
      reject(new BuildError(`${command} could not be started: ${error.message}`)),
    );
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(new BuildError(`${command} ${args[0] ?? ''} failed (${signal ?? `exit ${code}`}).`));
    });
  });
}

/** Runs a program and returns its trimmed standard output; a {@link BuildError} when it fails. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    shell: process.platform === 'win32' && command.endsWith('.cmd'),
    ...options,
  });
  if (result.error || result.status !== 0) {
    const reason = result.error?.message ?? (result.stderr.trim() || `exit ${result.status}`);
    throw new BuildError(`${command} ${args[0] ?? ''} failed: ${reason}`);
  }
  return result.stdout.trim();
}

/** Lower-case hexadecimal sha256 of a file. */
export async function sha256OfFile(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}

/** Runs a script's main function; a {@link BuildError} becomes one line and exit code 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
