import { MobillmError } from '@mobillm/core';
import type { ManifestState } from './manifest/manifest-folder.js';
import type { Manifest } from './manifest/manifest.js';
import { nearestNames } from './model-name.js';
import type { StoreContext } from './store-context.js';

/**
 * The record of a model by its name.
 *
 * @throws MobillmError `MODEL_NOT_FOUND` with the nearest names, `MODEL_INVALID` for a damaged record.
 */
export async function findManifest(context: StoreContext, name: string): Promise<Manifest> {
  const found = await context.manifests.read(name);
  if (found === undefined) throw await noModel(context, name);
  if (found.state === 'damaged') throw found.error;
  return found.manifest;
}

/** The error for a name that the store does not have. */
export async function noModel({ manifests }: StoreContext, name: string): Promise<MobillmError> {
  const nameOf = (state: ManifestState) => (state.state === 'sound' ? [state.manifest.name] : []);
  const names = (await manifests.readAll()).flatMap(nameOf);
  const nearest = nearestNames(name, names);
  const hint =
    nearest.length > 0
      ? `Did you mean ${nearest.map((near) => `"${near}"`).join(' or ')}?`
      : 'Add it first; list() tells what is there.';
  return new MobillmError('MODEL_NOT_FOUND', `The store has no model "${name}". ${hint}`, {
    details: { name, nearest },
  });
}
