import { MobillmError, type ModelOrigin } from '@mobillm/core';
import { parseReference } from '../reference/parse-reference.js';
import { resolveRemote, type RemoteReference } from '../remote/resolve-remote.js';
import type { RemoteFile, SourceContext } from '../sources/source.js';

/**
 * Where a file of a model that was downloaded can be fetched again: at the revision that it came from,
 * else where its reference leads now. `undefined` when neither has that content any more.
 *
 * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`.
 */
export async function findRemoteFile(
  { reference, revision }: ModelOrigin,
  wanted: { readonly fileName: string; readonly sha256: string },
  context: SourceContext,
): Promise<RemoteFile | undefined> {
  const parsed = parseReference(reference);
  if (parsed.source === 'file') return undefined;
  for (const candidate of candidates(parsed, revision)) {
    try {
      const { files } = (await resolveRemote(candidate, context)).model;
      const found =
        files.find(({ sha256 }) => sha256 === wanted.sha256) ??
        files.find((file) => file.sha256 === undefined && file.fileName === wanted.fileName);
      if (found !== undefined) return { ...found, sha256: wanted.sha256 };
    } catch (error) {
      // A revision may have gone while the content is still there.
      if (!MobillmError.is(error, 'MODEL_NOT_FOUND')) throw error;
    }
  }
  return undefined;
}

function candidates(reference: RemoteReference, revision: string | undefined): RemoteReference[] {
  if (revision === undefined) return [reference];
  switch (reference.source) {
    case 'hugging-face':
      return [{ ...reference, revision }, reference];
    case 'ollama':
      // Registries give manifests by their digests as well.
      return [{ ...reference, tag: revision }, reference];
    case 'modelscope':
    case 'url':
      return [reference];
  }
}
