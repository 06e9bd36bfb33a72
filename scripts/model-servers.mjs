// Fetches what the model store is tested with and the repository does not hold: the registry server of
// Debian, whose protocol Ollama speaks, and the Python client of the Hugging Face hub. Neither is installed:
// both lie in the cache folder. As a command: prints where they are, as assignments for a shell.
//   node scripts/model-servers.mjs
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './lib/cache-folder.mjs';
import { contentHash } from './lib/content-hash.mjs';
import { looksOffline, runCommand } from './lib/run-command.mjs';
import { findPython, requireTools } from './lib/tools.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

const requirements = join(root, 'packages', 'model-store', 'test', 'requirements.txt');

/**
 * Downloads what is missing (about 7 MB, once).
 *
 * @returns {Promise<Record<string, string>>} variables under which the tests find them; a variable is left
 * out where this machine cannot have what it names, and the tests that need it say so
 * @throws {UserError} when python, pip or the network is missing, or a sum is wrong.
 */
export async function ensureModelServers() {
  const registry = await ensureRegistry();
  return {
    ...(registry !== undefined && { MOBILLM_DOCKER_REGISTRY: registry }),
    MOBILLM_HUGGINGFACE_HUB: await ensureHubClient(),
  };
}

/** The program `docker-registry` of Debian and Ubuntu; `undefined` on other systems. */
async function ensureRegistry() {
  const found = await runCommand('docker-registry', ['--version'], { quiet: true });
  if (found.status === 0) return 'docker-registry';
  const folder = join(cacheFolder(), `docker-registry-${process.arch}`);
  const program = join(folder, 'usr', 'bin', 'docker-registry');
  if (existsSync(program)) return program;
  const apt = await runCommand('apt-get', ['--version'], { quiet: true });
  if (apt.status !== 0) return undefined;
  await inCache('docker-registry', folder, async (work) => {
    // Needs no root: nothing is installed. The package's sum is checked by apt's own keys.
    const lists = ['-o', `Dir::State::Lists=${join(work, 'lists')}`];
    const inWork = { cwd: work, quiet: true };
    const download = (options) =>
      runCommand('apt-get', [...options, 'download', 'docker-registry'], inWork);
    let { status, output } = await download([]);
    if (status !== 0) {
      // The machine's own lists of packages are missing or old, and only root may renew them.
      await mkdir(join(work, 'lists', 'partial'), { recursive: true });
      await runCommand('apt-get', [...lists, 'update'], inWork);
      ({ status, output } = await download(lists));
    }
    const file = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (status !== 0 || file === undefined) {
      // Its tests are left out, and say so.
      console.error(
        `The registry server for the tests of the model store could not be downloaded ("${output.trim().split('\n').at(-1)}"): check the network, or install it ("apt-get install -y docker-registry").`,
      );
      return undefined;
    }
    const tree = join(work, 'tree');
    await mkdir(tree);
    const unpacked = await runCommand('dpkg-deb', ['-x', join(work, file), tree], { quiet: true });
    if (unpacked.status !== 0) throw new UserError(`${file} could not be unpacked.`);
    return tree;
  });
  return existsSync(program) ? program : undefined;
}

/** The folder for PYTHONPATH in which `huggingface_hub` is. */
async function ensureHubClient() {
  requireTools(['python', 'pip']);
  const key = contentHash([requirements]).slice(0, 12);
  const folder = join(cacheFolder(), `huggingface-hub-${key}`);
  if (existsSync(folder)) return folder;
  await inCache('huggingface-hub', folder, async (work) => {
    const tree = join(work, 'tree');
    const args = [
      '-m',
      'pip',
      'install',
      '--no-deps',
      '--require-hashes',
      '--only-binary',
      ':all:',
    ];
    const { status, output } = await runCommand(
      findPython(),
      [...args, '--disable-pip-version-check', '--target', tree, '-r', requirements],
      { quiet: true, env: { ...process.env, TMPDIR: work, TMP: work } },
    );
    if (status === 0) return tree;
    if (looksOffline(output)) {
      throw new UserError(
        'PyPI cannot be reached, so the client of the Hugging Face hub cannot be downloaded: check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another index), then run the command again.',
      );
    }
    throw new UserError(
      `The client of the Hugging Face hub could not be installed (pip says "${output.trim().split('\n').at(-1)}").`,
    );
  });
  return folder;
}

/** Makes a folder of the cache as a whole: another process may do the same meanwhile. */
async function inCache(name, folder, make) {
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), `.${name}-`));
  try {
    const tree = await make(work);
    if (tree === undefined) return;
    await rename(tree, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    for (const [name, value] of Object.entries(await ensureModelServers())) {
      console.log(`export ${name}='${value}'`);
    }
  });
}
