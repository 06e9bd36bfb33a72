import { MobillmError } from '@mobillm/core';
import type { ModelReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import type { ForeignContext } from './foreign-context.js';
import type { UnreadModel } from './found-model.js';
import { findInHubCache } from './hub-cache.js';
import { findInModelScope } from './modelscope-cache.js';
import { findInOllama } from './ollama-folder.js';

/** The model that a reference means, if the app of its source holds it on this device. */
export async function findByReference(
  context: ForeignContext,
  reference: ModelReference,
): Promise<UnreadModel | undefined> {
  switch (reference.source) {
    case 'ollama':
      return findInOllama(context, reference);
    case 'hugging-face':
      return findInHubCache(context, reference);
    case 'modelscope':
      return findInModelScope(context, reference);
    case 'file':
    case 'url':
      return undefined;
  }
}

/**
 * The same, for who wants nothing else.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`.
 */
export async function holdByReference(
  context: ForeignContext,
  reference: ModelReference,
): Promise<UnreadModel> {
  const found = await findByReference(context, reference);
  if (found !== undefined) return found;
  const text = formatReference(reference);
  throw new MobillmError(
    'MODEL_NOT_FOUND',
    `No app on this device holds "${text}". Call pull to download it; discover() tells what is here.`,
    { details: { reference: text } },
  );
}
