import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { installAdvice } from './install-advice.mjs';
import { UserError } from './user-error.mjs';
import { readJson, root } from './workspace.mjs';

/** Where `pip install --user` puts programs, which many shells do not have in their path. */
const userPrograms = join(homedir(), '.local', 'bin');

/**
 * Absolute path of a program, or `undefined`.
 *
 * @param {string} name
 */
export function findProgram(name) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder, name + ending);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here; look on.
      }
    }
  }
  return undefined;
}

/** Program names that serve for a tool; the environment may name its compiler. */
function candidates(tool) {
  switch (tool) {
    case 'cxx':
      if (process.platform === 'win32') return [];
      return [process.env.CXX?.split(' ')[0], 'c++', 'g++', 'clang++'].filter(Boolean);
    case 'ninja':
      return ['ninja', 'ninja-build', 'samu'];
    case 'python':
      return ['python3', 'python'];
    default:
      return [tool];
  }
}

function hasPip() {
  const python = findPython();
  return python !== undefined && spawnSync(python, ['-m', 'pip', '--version']).status === 0;
}

function isMissing(tool) {
  if (tool === 'pip') return !hasPip();
  const names = candidates(tool);
  // Visual Studio's compiler is not in the path; CMake finds it by itself.
  return names.length > 0 && names.every((name) => findProgram(name) === undefined);
}

/** The python 3 to call, or `undefined`. */
export function findPython() {
  return candidates('python').find((name) => findProgram(name) !== undefined);
}

/**
 * Makes sure that tools are there.
 *
 * @param {readonly import('./install-advice.mjs').Tool[]} tools
 * @throws {UserError} naming all that are missing and the command that installs them.
 */
export function requireTools(tools) {
  if (!(process.env.PATH ?? '').split(delimiter).includes(userPrograms)) {
    process.env.PATH = `${process.env.PATH ?? ''}${delimiter}${userPrograms}`;
  }
  const missing = tools.filter(isMissing);
  if (missing.length === 0) return;
  const hasPython = hasPip();
  throw new UserError(
    installAdvice(missing, {
      manager: findManager(),
      isRoot: process.getuid?.() === 0,
      hasPython,
      externallyManaged: hasPython && isExternallyManaged(),
    }),
  );
}

function findManager() {
  if (process.env.TERMUX_VERSION !== undefined || process.env.PREFIX?.includes('com.termux')) {
    return 'termux';
  }
  const programs = {
    'apt-get': 'apt',
    dnf: 'dnf',
    pacman: 'pacman',
    apk: 'apk',
    brew: 'brew',
    winget: 'winget',
  };
  return Object.entries(programs).find(([name]) => findProgram(name) !== undefined)?.[1];
}

/** Debian and others mark their python so that pip refuses to install beside it (PEP 668). */
function isExternallyManaged() {
  const code =
    'import os, sysconfig; print(os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")))';
  const { stdout } = spawnSync(findPython(), ['-c', code], { encoding: 'utf8' });
  return stdout.trim() === 'True';
}

/**
 * Makes sure that this Node is one that the root manifest allows.
 *
 * @throws {UserError}
 */
export function requireNode() {
  const { engines } = readJson(join(root, 'package.json'));
  const wanted = engines.node.replace('>=', '').split('.').map(Number);
  const actual = process.versions.node.split('.').map(Number);
  const isOlder =
    actual[0] < wanted[0] || (actual[0] === wanted[0] && actual[1] < (wanted[1] ?? 0));
  if (isOlder) {
    throw new UserError(
      `Node.js ${wanted.join('.')} or later is needed and this is ${process.versions.node}: install it with "npx --yes n lts", "nvm install --lts" or from nodejs.org, then run the command again.`,
    );
  }
}
