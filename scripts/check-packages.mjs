// Tries the published packages as their users get them: packs each, checks the tarball with publint
// and attw, installs the tarballs with npm into an empty folder, imports every door there, and runs
// the README's program unchanged on the default model: once with the prebuilt addon, once with the
// addon compiled from what the tarball itself carries, where the only prebuilt one is another platform's.
//   node scripts/check-packages.mjs             what "build-native.mjs" built: this machine's addon
//   node scripts/check-packages.mjs --release   what "build-native.mjs --release" built, with its back ends:
//                                               one CPU kernel a generation, as it is shipped
import {
  existsSync,
  linkSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { defaultModel, ensureDefaultModelAloud } from './default-model.mjs';
import { hostPlatform, platforms } from './lib/platforms.mjs';
import { runCommand } from './lib/run-command.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { nativePackages, root } from './lib/workspace.mjs';
import { joinPackages, packPrebuilt, packPublished } from './make-packages.mjs';

const isRelease = process.argv.includes('--release');

await runMain(async () => {
  const work = mkdtempSync(join(tmpdir(), 'mobillm-packages-'));
  try {
    const model = await ensureDefaultModelAloud();
    const published = await packPublished(join(work, 'published'));
    for (const item of published) await checkTarball(item);
    const prebuilt = await packPrebuilt(builtHere(), join(work, 'prebuilt'));
    await joinPackages(published, prebuilt);
    const doors = published.flatMap(({ manifest }) => doorsOf(manifest));
    const here = await inEmptyFolder(work, 'prebuilt', { published, prebuilt, model });
    await importDoors(here, doors);
    for (const item of prebuilt) await loadBackend(here, item);

    if (isRelease) return;
    const foreign = await packPrebuilt(builtElsewhere(work), join(work, 'foreign'));
    await joinPackages(published, foreign);
    await inEmptyFolder(work, 'compiled', { published, prebuilt: foreign, model });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

/** What the engines' builds of this machine are. */
function builtHere() {
  return nativePackages()
    .map(({ folder }) => ({
      engine: basename(folder),
      row: hostPlatform(),
      from: join(folder, isRelease ? 'build-release' : 'build', 'Release'),
    }))
    .filter(({ engine, from }) => {
      // CPU kernels and back ends are the llama.cpp engine's; the others' builds differ in nothing.
      if (!isRelease || existsSync(from)) return true;
      if (engine !== 'engine-llamacpp') return false;
      throw new UserError(
        `There is no ${from}: run "node packages/${engine}/scripts/build-native.mjs --release" first (minutes).`,
      );
    });
}

/** Addons that no machine can load, for a platform that is not this one: enough to be packed. */
function builtElsewhere(work) {
  const row = platforms.find(
    ({ platform, arch }) => platform === 'darwin' && arch !== process.arch,
  );
  const header = Buffer.alloc(64);
  header.writeUInt32LE(0xfeedfacf, 0);
  header.writeUInt32LE(row.arch === 'x64' ? 0x01000007 : 0x0100000c, 4);
  return builtHere().map(({ engine, from }) => {
    const folder = join(work, 'elsewhere', engine);
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(from)) {
      if (file.endsWith('.node')) writeFileSync(join(folder, file), header);
      if (file.startsWith('LICENSE.')) copyFileSync(join(from, file), join(folder, file));
    }
    return { engine, row, from: folder };
  });
}

async function checkTarball({ manifest, tarball }) {
  const bytes = readFileSync(tarball);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
  if (messages.length > 0) {
    const said = messages.map((message) => formatMessage(message, manifest, { color: false }));
    throw new UserError(`publint says of ${manifest.name}: ${said.join('\n')}`);
  }
  await must(
    `attw on ${manifest.name}`,
    runCommand(join(root, 'node_modules', '.bin', 'attw'), [tarball, '--profile', 'esm-only'], {
      cwd: root,
      quiet: true,
    }),
  );
  console.log(
    `ok: ${manifest.name}, ${(bytes.length / 1e6).toFixed(1)} MB packed, publint and attw`,
  );
}

function doorsOf({ name, exports }) {
  return Object.keys(exports).map((door) => join(name, door).replaceAll('\\', '/'));
}

/**
 * Installs the published packages into an empty folder, as if the prebuilt ones were in a registry, and
 * runs the README's program there. Back ends are installed by name, as their users do it.
 *
 * @returns {Promise<string>} the folder
 */
async function inEmptyFolder(work, title, { published, prebuilt, model }) {
  const app = join(work, `app-${title}`);
  mkdirSync(app);
  const named = [...published, ...prebuilt.filter(({ backend }) => backend !== undefined)];
  const manifest = {
    ...{ name: 'app', private: true, type: 'module' },
    dependencies: tarballsByName(named),
    overrides: tarballsByName([...published, ...prebuilt]),
  };
  writeFileSync(join(app, 'package.json'), JSON.stringify(manifest));
  await must(
    `npm install of the tarballs (${title})`,
    runCommand('npm', ['install', '--no-audit', '--no-fund', '--foreground-scripts'], {
      cwd: app,
      quiet: true,
    }),
  );
  checkAddons(app, title, prebuilt);

  try {
    linkSync(model, join(app, defaultModel.fileName));
  } catch {
    copyFileSync(model, join(app, defaultModel.fileName));
  }
  writeFileSync(join(app, 'program.mjs'), readmeProgram());
  const { output } = await must(
    `the README's program (${title})`,
    runCommand('node', ['program.mjs'], {
      cwd: app,
      quiet: true,
      env: { ...process.env, MOBILLM_HOME: join(app, 'home') },
    }),
  );
  // Greedy decoding of a fixed question; which words exactly depends on the processor.
  if (!output.includes('sky')) throw new UserError(`The README's program answered: ${output}`);
  console.log(`ok: the README's program, ${title} addon: ${output.trim().slice(0, 60)}…`);
  return app;
}

function tarballsByName(packed) {
  return Object.fromEntries(
    packed.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]),
  );
}

/** Each engine has an addon: that of the prebuilt package, or, where none fits, one compiled on install. */
function checkAddons(app, title, prebuilt) {
  const folderOf = (name) => join(app, 'node_modules', name);
  for (const { engineName, manifest, backend } of prebuilt) {
    const isInstalled = existsSync(folderOf(manifest.name));
    if (isInstalled !== (title === 'prebuilt')) {
      throw new UserError(
        isInstalled
          ? `npm installed ${manifest.name}, which is for another platform.`
          : `npm did not install ${manifest.name}, which ${engineName} names.`,
      );
    }
    if (backend !== undefined) continue;
    const compiled = findAddons(folderOf(engineName));
    if (compiled.length > 0 === (title === 'compiled')) continue;
    throw new UserError(
      title === 'compiled'
        ? `Without a prebuilt package nothing of ${engineName} was compiled on install.`
        : `Although there was a prebuilt package, an addon was compiled: ${compiled.join(', ')}`,
    );
  }
}

async function importDoors(app, doors) {
  // The testing door asks for Vitest as a peer, which its users have.
  symlinkSync(join(root, 'node_modules', 'vitest'), join(app, 'node_modules', 'vitest'));
  const script = doors.map((door) =>
    door.endsWith('.json')
      ? `await import('${door}', { with: { type: 'json' } });`
      : `if (Object.keys(await import('${door}')).length === 0) throw new Error('${door} exports nothing');`,
  );
  writeFileSync(join(app, 'doors.mjs'), script.join('\n'));
  await must('importing every door', runCommand('node', ['doors.mjs'], { cwd: app, quiet: true }));
  console.log(`ok: ${doors.length} doors import`);
}

/**
 * Loads a back end from its package. Where it finds a device on this machine, a tiny model says there what
 * it says on the CPU, fed the same tokens.
 */
async function loadBackend(app, { engineName, manifest, backend }) {
  if (backend === undefined) return;
  const script = `
    import { compareTeacherForced, writeTinyLlamaGguf } from '@mobillm/core/testing';
    import { createLlamaCppDriver } from '${engineName}';
    const driver = await createLlamaCppDriver({ backends: ['${backend}'] });
    const device = driver.devices.find(({ kind }) => kind !== 'cpu');
    if (device === undefined) {
      console.log('which finds no device here');
    } else {
      await writeTinyLlamaGguf('tiny.gguf');
      const files = { format: 'gguf', files: [{ path: 'tiny.gguf', role: 'weights' }] };
      const open = (id) =>
        driver.open(files, { contextTokens: 256, sequences: 1, threads: 1, device: id });
      const [reference, candidate] = [await open('cpu'), await open(device.id)];
      const { capabilities } = driver;
      const { compared, skipped } = await compareTeacherForced({
        reference: { model: reference, capabilities },
        candidate: { model: candidate, capabilities },
        prompts: [[1, 17, 5], [1, 40, 41, 42, 7, 9]],
        steps: 24,
        margin: 0.05,
      });
      const layers = JSON.stringify(candidate.placement().layersByDevice);
      console.log(
        \`and on \${device.name}, layers \${layers}, \${compared} of \${compared} tokens are the CPU's (\${skipped} near-ties skipped)\`,
      );
      await Promise.all([reference, candidate].map((model) => model.close()));
    }
    await driver.close?.();`;
  writeFileSync(join(app, `${backend}.mjs`), script);
  const { output } = await must(
    `loading ${manifest.name}`,
    runCommand('node', [`${backend}.mjs`], {
      cwd: app,
      quiet: true,
      // Otherwise llama.cpp leaves out a Vulkan device that is a CPU, as Mesa's is.
      env: { GGML_VK_VISIBLE_DEVICES: '0', ...process.env },
    }),
  );
  console.log(`ok: ${manifest.name} loads, ${output.trim()}`);
}

/** Addons inside an engine's own package, where only an install on this machine puts them. */
function findAddons(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.node'));
}

/** The first program of the README, to the letter. */
function readmeProgram() {
  const program = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1];
  if (program === undefined) throw new UserError('README.md holds no program in a js block.');
  return program;
}

async function must(what, running) {
  const result = await running;
  if (result.status === 0) return result;
  throw new UserError(`${what} failed (exit status ${result.status}):\n${result.output}`);
}
