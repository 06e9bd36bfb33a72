import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { MobillmError } from '../errors/mobillm-error.js';
import type { AddonRequest, LoadedAddon } from './addon-request.js';
import { checkExports } from './check-exports.js';
import { platformName, platformPackage } from './platform-package-node.js';

/** Node-API version that every addon of the SDK is built for. */
const nodeApiVersion = 8;

/**
 * Finds, checks and loads an engine's addon. Looked at in this order: the file that was asked for,
 * the environment variable, the package's own build (`build/Release`), the prebuilt package of this
 * platform (`<package>-<platform>-<architecture>`, with `-musl` where the C library is musl).
 *
 * The addon belongs to the process: loading it twice gives the same one.
 *
 * @throws MobillmError `ADDON_NOT_FOUND` with every path that was looked at; `ADDON_INCOMPATIBLE`
 * with the system's own message when a file is there and cannot be loaded.
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
  const searched = candidates(request);
  const path = searched.find((candidate) => existsSync(candidate));
  if (path === undefined) throw notFound(request, searched);
  checkNodeApi(path);
  let exports: unknown;
  try {
    exports = createRequire(import.meta.url)(path);
  } catch (error) {
    throw incompatible(request, path, error);
  }
  return { exports: checkExports(request, exports, path), path, folder: dirname(path) };
}

/** Files to look at, in order. One that was named is the only one: no other is taken in its place. */
function candidates(request: AddonRequest): readonly string[] {
  const named = request.addon ?? process.env[request.variable];
  if (typeof named === 'string' && named !== '') return [resolve(named)];
  const file = `${request.name}.node`;
  const { packageRoot } = request;
  const own = packageRoot === undefined ? [] : [join(packageRoot, 'build', 'Release', file)];
  return [...own, ...prebuilt(request, file)];
}

/** The addon's file in the platform package; the package's name where it is not installed. */
function prebuilt(request: AddonRequest, file: string): readonly string[] {
  const { name, folder } = platformPackage(request);
  return [join(folder ?? join('node_modules', ...name.split('/')), file)];
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

function notFound(request: AddonRequest, searched: readonly string[]): MobillmError {
  const where = searched.map((path) => `  ${path}`).join('\n');
  return new MobillmError(
    'ADDON_NOT_FOUND',
    `The native addon of ${request.packageName} for ${platformName()} was not found. Build it with "${request.buildCommand}". Looked at:\n${where}`,
    {
      details: {
        searched,
        platform: process.platform,
        arch: process.arch,
        buildCommand: request.buildCommand,
      },
    },
  );
}

function incompatible(request: AddonRequest, path: string, error: unknown): MobillmError {
  const reason = error instanceof Error ? error.message : String(error);
  return new MobillmError(
    'ADDON_INCOMPATIBLE',
    `The addon ${path} cannot be loaded on this machine: ${reason}. Build it here with "${request.buildCommand}".`,
    { details: { path, reason, buildCommand: request.buildCommand }, cause: error },
  );
}
