import { MobillmError } from '@mobillm/core';
import { platformPackage } from '@mobillm/core/native';
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
    const { name: ownPackage, folder } = platformPackage({
      packageName,
      packageRoot,
      suffix: name,
    });
    const folders = [...(addonFolder === '' ? [] : [`${addonFolder}/${name}`])];
    if (folder !== undefined) folders.push(folder);
    const loads = folders.map((each) => addon.hasBackend(name) || addon.loadBackend(name, each));
    if (wanted === 'auto' || addon.hasBackend(name)) continue;
    const tried = loads.filter((load) => load !== true);
    throw failure(name, ownPackage, folder !== undefined, tried);
  }
}

function failure(
  backend: BackendName,
  ownPackage: string,
  isInstalled: boolean,
  tried: readonly NativeBackendLoad[],
): MobillmError {
  const refused = tried.find((load) => load.outcome === 'refused');
  const searched = tried.map(({ path }) => path);
  const details = { backend, package: ownPackage, searched };
  if (refused) {
    const { path, reason } = refused;
    return new MobillmError(
      'ADDON_INCOMPATIBLE',
      `The back end ${path} cannot be loaded on this machine: ${reason}. Its driver may be missing or too old.`,
      { details: { ...details, path, reason } },
    );
  }
  const places = [...searched, ...(isInstalled ? [] : [`the package ${ownPackage}`])];
  return new MobillmError(
    'ADDON_NOT_FOUND',
    `The back end "${backend}" of llama.cpp is neither built in nor installed. Install ${ownPackage}, or build it in with "MOBILLM_BACKENDS=rpc,${backend} npm rebuild ${packageName}". Looked at:\n${places.map((place) => `  ${place}`).join('\n')}`,
    { details },
  );
}
