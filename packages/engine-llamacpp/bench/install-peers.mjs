import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';
import { runCommand } from '../../../scripts/lib/run-command.mjs';

/**
 * Packages of each peer, in the versions that the figures in `docs/benchmarks.md` speak of. Those for
 * graphics cards stay out: they are six times as large as all the rest.
 */
const packagesOf = {
  'node-llama-cpp': ['node-llama-cpp@3.22.1', '@node-llama-cpp/linux-x64@3.22.1'],
  'llama.node': ['@fugood/llama.node@1.7.15', '@fugood/node-llama-linux-x64@1.7.15'],
};

/** Names of the peers. */
export const peerNames = Object.keys(packagesOf);

/** Version of each, by its name. */
export function peerVersions() {
  return Object.fromEntries(
    Object.entries(packagesOf).map(([name, [spec]]) => [
      name,
      spec.slice(spec.lastIndexOf('@') + 1),
    ]),
  );
}

/** Where they are installed: outside this workspace. */
export function peersFolder() {
  return join(cacheFolder(), 'bench-peers');
}

/** Installs what is missing of all peers. */
export async function installPeers() {
  const folder = peersFolder();
  const packages = Object.values(packagesOf).flat();
  const missing = packages.some((spec) => {
    const name = spec.slice(0, spec.lastIndexOf('@'));
    return !existsSync(join(folder, 'node_modules', name));
  });
  if (!missing) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  console.error('installing the peers …');
  const args = ['--no-audit', '--no-fund', '--omit=optional', '--ignore-scripts', ...packages];
  const { status } = await runCommand('npm', ['install', ...args], {
    cwd: folder,
    output: process.stderr,
  });
  if (status !== 0)
    throw new Error('The peers could not be installed; what npm said stands above.');
}
