import { MobillmError, type ModelOrigin } from '@mobillm/core';
import { parseReference } from '../reference/parse-reference.js';
import { resolveRemote, type RemoteReference } from '../remote/resolve-remote.js';
import type { RemoteFile, SourceContext } from '../sources/source.js';

/**
 * Where a file of a model that was downloaded can be fetched again: at the revision that it came from,
 * else where its reference leads now. `undefined` when neither has that content any more; of a file whose sha256
 * was not recorded, when neither tells that of a file of its name.
 *
 * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`.
 */
export async function findRemoteFile(
  { reference, revision }: ModelOrigin,
  wanted: { readonly fileName: string; readonly sha256: string | undefined },
  context: SourceContext,
): Promise<(RemoteFile & { readonly sha256: string }) | undefined> {
  const parsed = parseReference(reference);
  if (parsed.source === 'file') return undefined;
  for (const candidate of candidates(parsed, revision)) {
    try {
      const { files } = (await resolveRemote(candidate, context)).model;
      const named = files.filter(({ fileName }) => fileName === wanted.fileName);
      const found =
        wanted.sha256 === undefined
          ? named[0]
          : (files.find(({ sha256 }) => sha256 === wanted.sha256) ??
            named.find(({ sha256 }) => sha256 === undefined));
      const sha256 = wanted.sha256 ?? found?.sha256;
      if (found !== undefined && sha256 !== undefined) return { ...found, sha256 };
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
