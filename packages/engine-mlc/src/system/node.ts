import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import type { System } from './system.js';

/** Node.js, Electron and Termux. */
export const system: System = {
  os: process.platform,
  arch: process.arch,
  homeFolder: homedir(),
  // An empty variable is how a shell unsets one for a single command.
  environment: (name) => process.env[name] || undefined,
  isFile: (path) =>
    stat(path).then(
      (entry) => entry.isFile(),
      () => false,
    ),
  listFolder: (path) => readdir(path).catch(() => []),
};
