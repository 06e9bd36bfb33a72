import { MobillmError } from '@mobillm/core';
import type { ModelStore, StoredModel, StoreJobOptions } from '@mobillm/core';
import { UsageError } from './options.js';

/** A model that is fetched when the store does not have it yet. */
export interface DefaultModel {
  /** Its name in the store. */
  readonly name: string;
  /** Gives the path of its file, downloading it if need be. */
  fetch(signal: AbortSignal): Promise<string>;
}

/** Takes a model from the store by name, or into it by path; the default one is fetched on demand. */
export async function takeModel(
  store: ModelStore,
  model: string | undefined,
  defaultModel: DefaultModel | undefined,
  job: StoreJobOptions & { readonly signal: AbortSignal },
): Promise<StoredModel> {
  const name = model ?? defaultModel?.name;
  if (name === undefined) throw new UsageError('--model <name|path> says which model to open');
  if (/[\\/]|\.gguf$/i.test(name)) return store.add(name, job);
  if (name !== defaultModel?.name) return store.resolve(name);
  try {
    return await store.resolve(name);
  } catch (error) {
    // The store links to the file in the download cache, which people clear.
    const isGone =
      MobillmError.is(error, 'FILE_NOT_FOUND') || MobillmError.is(error, 'INTEGRITY_FAILED');
    if (isGone) await store.remove(name);
    else if (!MobillmError.is(error, 'MODEL_NOT_FOUND')) throw error;
    return store.add(await defaultModel.fetch(job.signal), { ...job, name });
  }
}
