import { MobillmError } from '@mobillm/core';
import type { MirrorAddress } from '../download/mirror.js';
import { refusedBy } from '../http/network-errors.js';
import type { ModelScopeReference } from '../reference/model-reference.js';
import { isRepositoryPath } from './choose-files.js';
import { hubAt, type Hub } from './hub.js';
import { bytesOf, fieldsOf, listOf, sha256Of, textOf } from './json.js';
import type { Repository, RepositoryFile, SourceContext } from './source.js';

const maxAnswerBytes = 16 * 2 ** 20;
/** The hub cuts its lists there, without a word. */
const mostListed = 3000;

/**
 * A repository of ModelScope: `MODELSCOPE_ENDPOINT`, or www.modelscope.cn. `MODELSCOPE_API_TOKEN` is sent to the
 * hub alone.
 */
export async function openModelScope(
  reference: ModelScopeReference,
  context: SourceContext,
): Promise<Repository> {
  const { repository, revision = 'master' } = reference;
  const hub = openHub(context);
  const files = await listFiles(hub, repository, revision, context);
  const addressOf = (path: string): MirrorAddress => {
    const query = new URLSearchParams({ Revision: revision, FilePath: path });
    return {
      url: `${hub.endpoint}/api/v1/models/${repository}/repo?${query.toString()}`,
      authorization: hub.authorization,
    };
  };
  return { reference, files, addressOf };
}

function openHub({ environment }: SourceContext): Hub {
  const set = environment['MODELSCOPE_ENDPOINT'] || 'https://www.modelscope.cn';
  const address = /^https?:\/\//.test(set) ? set : `https://${set}`;
  return hubAt(address, 'MODELSCOPE_ENDPOINT', environment['MODELSCOPE_API_TOKEN']);
}

async function listFiles(
  hub: Hub,
  repository: string,
  revision: string,
  { client, signal }: SourceContext,
): Promise<RepositoryFile[]> {
  const query = new URLSearchParams({ Revision: revision, Recursive: 'true' });
  const url = `${hub.endpoint}/api/v1/models/${repository}/repo/files?${query.toString()}`;
  const answer = await client.get(url, { authorization: hub.authorization, signal });
  const { status } = answer;
  if (status !== 200) answer.cancel();
  if (status === 401 || status === 403) {
    throw new MobillmError(
      'ACCESS_DENIED',
      `ModelScope does not give "${repository}" to you. Set MODELSCOPE_API_TOKEN, or accept its licence at ${hub.endpoint}/models/${repository}.`,
      { details: { repository, status } },
    );
  }
  if (status === 404) {
    throw new MobillmError(
      'MODEL_NOT_FOUND',
      `ModelScope has no repository "${repository}" with the revision "${revision}".`,
      { details: { repository, revision } },
    );
  }
  if (status !== 200) throw refusedBy(url, status, `the repository "${repository}"`);
  const data = fieldsOf(fieldsOf(await client.json(answer, maxAnswerBytes, signal))['Data']);
  const list = listOf(data['Files'], url);
  if (list.length >= mostListed) {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `The repository "${repository}" has more files than ModelScope lists. Name the file's address instead (https://…).`,
      { details: { repository } },
    );
  }
  return list.flatMap((entry) => {
    const fields = fieldsOf(entry);
    const path = textOf(fields['Path']);
    const fileBytes = bytesOf(fields['Size']);
    if (fields['Type'] === 'tree' || path === undefined || fileBytes === undefined) return [];
    if (!isRepositoryPath(path)) return [];
    const sha256 = sha256Of(fields['Sha256']);
    return [{ path, fileBytes, ...(sha256 !== undefined && { sha256 }) }];
  });
}
