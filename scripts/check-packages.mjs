// Tries the published packages as their users get them: packs each, checks the tarball with publint
// and attw, installs the tarballs with npm into an empty folder, imports every door there, and runs
// the README's program unchanged on the default model: once with the prebuilt addon, once with the
// addon compiled from what the tarball itself carries.
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
import { pnpm } from './lib/pnpm.mjs';
import { runCommand } from './lib/run-command.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { nativePackages, publishedPackages, root } from './lib/workspace.mjs';
import { makePrebuilt } from './make-prebuilt.mjs';

await runMain(async () => {
  const work = mkdtempSync(join(tmpdir(), 'mobillm-packages-'));
  try {
    const model = await ensureDefaultModelAloud();
    const packed = await packAll(work);
    for (const item of packed) await checkTarball(item);
    const prebuilt = await packPrebuilt(work);
    const doors = packed.flatMap(({ manifest }) => doorsOf(manifest));
    await inEmptyFolder(work, 'prebuilt', [...packed, ...prebuilt], model, doors);
    await inEmptyFolder(work, 'compiled', packed, model, []);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

/** @returns {Promise<{ folder: string, manifest: any, tarball: string }[]>} */
async function packAll(work) {
  const packed = [];
  for (const { folder, manifest } of publishedPackages()) {
    const tarball = await pack(pnpm, folder, join(work, 'tarballs'));
    packed.push({ folder, manifest, tarball });
  }
  return packed;
}

/** One package an engine with an addon, for this platform. */
async function packPrebuilt(work) {
  const packed = [];
  for (const engine of nativePackages()) {
    const { name, folder } = makePrebuilt({
      out: join(work, 'prebuilt-packages'),
      engine: basename(engine.folder),
    });
    const tarball = await pack(
      (...call) => runCommand('npm', ...call),
      folder,
      join(work, 'tarballs'),
    );
    packed.push({ folder, manifest: { name }, tarball });
  }
  return packed;
}

async function pack(run, folder, target) {
  mkdirSync(target, { recursive: true });
  const before = new Set(readdirSync(target));
  await must(
    `packing ${folder}`,
    run(['pack', '--pack-destination', target], { cwd: folder, quiet: true }),
  );
  const made = readdirSync(target).find((name) => name.endsWith('.tgz') && !before.has(name));
  if (made === undefined) throw new UserError(`Packing ${folder} made no tarball.`);
  return join(target, made);
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

async function inEmptyFolder(work, title, packed, model, doors) {
  const app = join(work, `app-${title}`);
  mkdirSync(app);
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name: 'app', private: true, type: 'module' }),
  );
  const npm = (args) => runCommand('npm', args, { cwd: app, quiet: true });
  const tarballs = packed.map(({ tarball }) => tarball);
  await must(
    `npm install of the tarballs (${title})`,
    npm(['install', '--no-audit', '--no-fund', '--foreground-scripts', ...tarballs]),
  );
  for (const { manifest } of nativePackages()) {
    const compiled = findAddons(join(app, 'node_modules', manifest.name));
    if (compiled.length > 0 === (title === 'compiled')) continue;
    throw new UserError(
      title === 'compiled'
        ? `Without a prebuilt package nothing of ${manifest.name} was compiled on install.`
        : `Although there was a prebuilt package, an addon was compiled: ${compiled.join(', ')}`,
    );
  }

  if (doors.length > 0) {
    // The testing door asks for Vitest as a peer, which its users have.
    symlinkSync(join(root, 'node_modules', 'vitest'), join(app, 'node_modules', 'vitest'));
    const script = doors.map((door) =>
      door.endsWith('.json')
        ? `await import('${door}', { with: { type: 'json' } });`
        : `if (Object.keys(await import('${door}')).length === 0) throw new Error('${door} exports nothing');`,
    );
    writeFileSync(join(app, 'doors.mjs'), script.join('\n'));
    await must(
      'importing every door',
      runCommand('node', ['doors.mjs'], { cwd: app, quiet: true }),
    );
    console.log(`ok: ${doors.length} doors import`);
  }

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
