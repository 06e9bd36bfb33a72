import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { MobillmError } from '../errors/mobillm-error.js';
import type { AddonRequest, LoadedAddon } from './addon-request.js';
import { checkExports } from './check-exports.js';
import { platformName, platformPackage } from './platform-package-node.js';

/** Node-API version that every addon of the SDK is built for. */
const nodeApiVersion = 8;

/** A file that was looked at, and why it was not taken. */
interface Attempt {
  readonly path: string;
  /** What the system said, or that there is no such file. */
  readonly reason: string;
  /** What was thrown for a file that is there. */
  readonly error?: unknown;
}

/**
 * Finds, checks and loads an engine's addon. Tried in this order: the file that was asked for,
 * the environment variable, the package's own build (`build/Release`), the prebuilt package of this
 * platform (`<package>-<platform>-<architecture>`, with `-musl` where the C library is musl). A file that
 * was named is the only one; of the others the first that can be loaded is taken.
 *
 * The addon belongs to the process: loading it twice gives the same one.
 *
 * @throws MobillmError `ADDON_NOT_FOUND` where there is no file at all, `ADDON_INCOMPATIBLE` where one is
 * there and none can be loaded; each with every path that was tried, and why it was not taken.
 */
export function loadAddon(request: AddonRequest): Promise<LoadedAddon> {
  return Promise.resolve().then(() => loadNow(request));
}

function loadNow(request: AddonRequest): LoadedAddon {
  if (typeof request.addon === 'object') {
    return {
      exports: checkExports(request, request.addon, undefined),
      path: undefined,
      folder: '',
    };
  }
  const tried: Attempt[] = [];
  for (const { path, absence, unfit } of candidates(request)) {
    if (!existsSync(path)) {
      tried.push({ path, reason: absence });
      continue;
    }
    if (unfit !== undefined) {
      tried.push({ path, reason: unfit, error: new Error(unfit) });
      continue;
    }
    checkNodeApi(path);
    let exports: unknown;
    try {
      exports = createRequire(import.meta.url)(path);
    } catch (error) {
      tried.push({ path, reason: error instanceof Error ? error.message : String(error), error });
      continue;
    }
    return { exports: checkExports(request, exports, path), path, folder: dirname(path) };
  }
  throw nothingLoads(request, tried);
}

/** A file to try, and what it means that it is not there. */
interface Candidate {
  readonly path: string;
  readonly absence: string;
  /** Why it must not be loaded although it is there. */
  readonly unfit?: string;
}

/**
 * Files to try, in order. One that was named is the only one: no other is taken in its place. The platform's
 * package is looked for only where it is come to.
 */
function* candidates(request: AddonRequest): Iterable<Candidate> {
  const { addon, variable, packageRoot } = request;
  if (typeof addon === 'string') {
    yield { path: resolve(addon), absence: 'named by the option "addon", but not there' };
    return;
  }
  const named = process.env[variable];
  if (named) {
    yield { path: resolve(named), absence: `named by ${variable}, but not there` };
    return;
  }
  const file = `${request.name}.node`;
  if (packageRoot !== undefined) {
    yield {
      path: join(packageRoot, 'build', 'Release', file),
      absence: 'nothing was compiled here',
    };
  }
  yield prebuilt(request, file);
}

/** The addon's file in the platform package; below the package's name where it is not installed. */
function prebuilt(request: AddonRequest, file: string): Candidate {
  const { name, folder, ...rest } = platformPackage(request);
  if (folder !== undefined) {
    return { path: join(folder, file), absence: `${name} lacks it`, ...rest };
  }
  return {
    path: join('node_modules', ...name.split('/'), file),
    absence: `the package ${name} is not installed`,
  };
}

function checkNodeApi(path: string): void {
  const available = Number(process.versions['napi'] ?? 0);
  if (available >= nodeApiVersion) return;
  throw new MobillmError(
    'ADDON_INCOMPATIBLE',
    `This runtime offers Node-API ${available}, and the addon needs ${nodeApiVersion}. Update Node.js to 20 or later.`,
    { details: { path, available, needed: nodeApiVersion } },
  );
}

/** What is thrown when all that could be tried was tried in vain. */
function nothingLoads(request: AddonRequest, tried: readonly Attempt[]): MobillmError {
  const { packageName, buildCommand } = request;
  const list = tried.map(({ path, reason }) => `  ${path}: ${reason}`).join('\n');
  const details = {
    ...{ searched: tried.map(({ path }) => path), reasons: tried.map(({ reason }) => reason) },
    ...{ platform: process.platform, arch: process.arch, buildCommand },
  };
  const refused = tried.find(({ error }) => error !== undefined);
  if (refused === undefined) {
    return new MobillmError(
      'ADDON_NOT_FOUND',
      `The native addon of ${packageName} for ${platformName()} was not found. Build it with "${buildCommand}". Tried:\n${list}`,
      { details },
    );
  }
  const { path, reason, error } = refused;
  return new MobillmError(
    'ADDON_INCOMPATIBLE',
    `The addon ${path} cannot be loaded on this machine (${platformName()}): ${reason}. Build it here with "${buildCommand}". Tried:\n${list}`,
    { details: { ...details, path, reason }, cause: error },
  );
}
