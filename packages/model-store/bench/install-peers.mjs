import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureModelServers } from '../../../scripts/model-servers.mjs';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';
import { runCommand } from '../../../scripts/lib/run-command.mjs';

/** The version that the figures in `docs/benchmarks.md` speak of. */
const hubPackage = '@huggingface/hub@2.17.5';

/**
 * Installs the clients of the Hugging Face hub outside this workspace: that of npm, and that of Python in the version that
 * the tests use.
 *
 * @returns {Promise<{ npm: string, python: string }>} folder of a package that finds the one, and of the other
 */
export async function installPeers() {
  const folder = join(cacheFolder(), 'bench-hub-clients');
  if (!existsSync(join(folder, 'node_modules', '@huggingface', 'hub'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    console.error('installing the peers …');
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', hubPackage];
    const { status } = await runCommand('npm', args, { cwd: folder, output: process.stderr });
    if (status !== 0) {
      throw new Error('The peers could not be installed; what npm said stands above.');
    }
  }
  const { MOBILLM_HUGGINGFACE_HUB: python } = await ensureModelServers();
  return { npm: folder, python };
}
