import { MobillmError } from '@mobillm/core';
import { platformPackage, type PlatformPackage } from '@mobillm/core/native';
import { packageRoot } from '#package-root';
import { type LlamaCppAddon, type NativeBackendLoad, packageName } from './addon.js';
import { type BackendName, backendNames } from './engine-options.js';

/**
 * Loads the back ends that an engine wants: from a folder of their name beside the addon, where a build
 * puts them, or from their package for this platform. One that cannot be loaded although it is there
 * (its driver is missing) is an error only where it was named; the library's log tells it otherwise.
 *
 * @throws MobillmError `ADDON_NOT_FOUND` with every place that was looked at; `ADDON_INCOMPATIBLE` with
 * the system's own message.
 */
export function loadBackends(
  addon: LlamaCppAddon,
  addonFolder: string,
  wanted: 'auto' | readonly BackendName[],
): void {
  for (const name of wanted === 'auto' ? backendNames : wanted) {
    if (addon.hasBackend(name)) continue;
    const ownPackage = platformPackage({ packageName, packageRoot, suffix: name });
    const folders = addonFolder === '' ? [] : [`${addonFolder}/${name}`];
    const tried = folders.map((folder) => addon.loadBackend(name, folder));
    if (addon.hasBackend(name)) continue;
    tried.push(...loadPackage(addon, name, ownPackage));
    if (wanted !== 'auto' && !addon.hasBackend(name)) throw failure(name, ownPackage.name, tried);
  }
}

function loadPackage(
  addon: LlamaCppAddon,
  backend: BackendName,
  { name, folder, unfit }: PlatformPackage,
): readonly NativeBackendLoad[] {
  if (folder === undefined) {
    return [{ path: `the package ${name}`, outcome: 'missing', reason: '' }];
  }
  if (unfit !== undefined) return [{ path: folder, outcome: 'refused', reason: unfit }];
  return [addon.loadBackend(backend, folder)];
}

function failure(
  backend: BackendName,
  ownPackage: string,
  tried: readonly NativeBackendLoad[],
): MobillmError {
  const build = `MOBILLM_BACKENDS=rpc,${backend} npm rebuild ${packageName}`;
  const reasons = tried.map(({ reason, outcome }) =>
    outcome === 'missing' ? 'not there' : reason,
  );
  const list = tried.map(({ path }, index) => `  ${path}: ${reasons[index] ?? ''}`).join('\n');
  const searched = tried.map(({ path }) => path);
  const details = { backend, package: ownPackage, searched, reasons };
  const refused = tried.find(({ outcome }) => outcome === 'refused');
  if (refused !== undefined) {
    const { path, reason } = refused;
    return new MobillmError(
      'ADDON_INCOMPATIBLE',
      `The back end ${path} cannot be loaded on this machine: ${reason}. Its driver may be missing or too old; and an addon that was compiled here, not installed, has no back ends but those that were compiled in ("${build}"). Tried:\n${list}`,
      { details: { ...details, path, reason } },
    );
  }
  return new MobillmError(
    'ADDON_NOT_FOUND',
    `The back end "${backend}" of llama.cpp is neither built in nor installed. Install ${ownPackage}, or build it in with "${build}". Tried:\n${list}`,
    { details },
  );
}
