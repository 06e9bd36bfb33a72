import { noModel } from '../find-model.js';
import { toStoredModel } from '../manifest/manifest.js';
import type { StoredModel } from '@mobillm/core';
import type { StoreContext } from '../store-context.js';

/**
 * Records whether a model is left alone when room is made for others.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`.
 */
export function pinModel(
  context: StoreContext,
  name: string,
  pinned: boolean,
  signal: AbortSignal,
): Promise<StoredModel> {
  return context.working((work) =>
    context.locked(work, signal, async () => {
      const found = await context.manifests.read(name);
      if (found === undefined) throw await noModel(context, name);
      if (found.state === 'damaged') throw found.error;
      const { pinned: before = false, ...manifest } = found.manifest;
      const changed = { ...manifest, ...(pinned && { pinned }) };
      if (pinned !== before) await context.manifests.write(changed, work.path);
      return toStoredModel(changed, context.layout.root);
    }),
  );
}
