import { MobillmError } from '@mobillm/core';
import type { MirrorAddress } from '../download/mirror.js';
import { badAnswer, type Answer } from '../http/http-client.js';
import { refusedBy } from '../http/network-errors.js';
import type { HuggingFaceReference } from '../reference/model-reference.js';
import { isCommit } from '../reference/parse-reference.js';
import { isRepositoryPath } from './choose-files.js';
import { hubAt, type Hub } from './hub.js';
import { hubHome } from './hub-home.js';
import { bytesOf, fieldsOf, listOf, sha256Of, textOf } from './json.js';
import type { Repository, RepositoryFile, SourceContext } from './source.js';

const maxAnswerBytes = 8 * 2 ** 20;
/** A page holds up to a thousand files. */
const maxPages = 20;

/**
 * A repository of a Hugging Face hub: `HF_ENDPOINT`, or huggingface.co. The revision is pinned to its commit
 * before anything is downloaded. `HF_TOKEN`, or the token that `huggingface-cli login` keeps, is sent to the
 * hub alone and never to where it redirects.
 */
export async function openHuggingFace(
  reference: HuggingFaceReference,
  context: SourceContext,
): Promise<Repository> {
  const { repository } = reference;
  const hub = await openHub(context);
  const commit = await findCommit(hub, reference, context);
  const files = await listFiles(hub, repository, commit, context);
  const addressOf = (path: string): MirrorAddress => ({
    url: `${hub.endpoint}/${repository}/resolve/${commit}/${encodePath(path)}`,
    authorization: hub.authorization,
    explain: (answer) =>
      answer.header('x-error-code') === 'GatedRepo'
        ? refusal(answer, hub, repository, commit)
        : undefined,
  });
  return { reference, files, addressOf, revision: commit };
}

async function openHub({ environment, readText }: SourceContext): Promise<Hub> {
  if (/^(1|true|yes|on)$/i.test(environment['HF_HUB_OFFLINE'] ?? '')) {
    throw new MobillmError(
      'NETWORK_FAILED',
      'HF_HUB_OFFLINE is set, so nothing is asked of the Hugging Face hub. Unset it, or add a file that is there.',
      { details: { reason: 'HF_HUB_OFFLINE' } },
    );
  }
  const home = hubHome(environment) ?? '';
  const token =
    environment['HF_TOKEN'] || (await readText(environment['HF_TOKEN_PATH'] ?? `${home}/token`));
  return hubAt(environment['HF_ENDPOINT'] || 'https://huggingface.co', 'HF_ENDPOINT', token);
}

async function findCommit(
  hub: Hub,
  { repository, revision = 'main' }: HuggingFaceReference,
  { client, signal }: SourceContext,
): Promise<string> {
  const url = `${hub.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const answer = await client.get(url, { authorization: hub.authorization, signal });
  if (answer.status !== 200) throw refusal(answer, hub, repository, revision);
  const commit = textOf(fieldsOf(await client.json(answer, maxAnswerBytes, signal))['sha']);
  if (commit === undefined || !isCommit(commit)) {
    throw badAnswer(url, 'does not say which commit the revision is');
  }
  return commit;
}

async function listFiles(
  hub: Hub,
  repository: string,
  commit: string,
  { client, signal }: SourceContext,
): Promise<RepositoryFile[]> {
  const files: RepositoryFile[] = [];
  let url: string | undefined =
    `${hub.endpoint}/api/models/${repository}/tree/${commit}?recursive=true`;
  for (let page = 0; url !== undefined; page++) {
    if (page >= maxPages) {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `The repository "${repository}" has more files than the ${maxPages * 1000} that are looked at. Name the file's address instead (https://…).`,
        { details: { repository } },
      );
    }
    const answer: Answer = await client.get(url, { authorization: hub.authorization, signal });
    if (answer.status !== 200) throw refusal(answer, hub, repository, commit);
    const entries = listOf(await client.json(answer, maxAnswerBytes, signal), url);
    const next = nextPage(answer.header('link'), url);
    for (const entry of entries) {
      const { type, path, size, lfs } = fieldsOf(entry);
      const fileBytes = bytesOf(fieldsOf(lfs)['size']) ?? bytesOf(size);
      if (type !== 'file' || typeof path !== 'string' || fileBytes === undefined) continue;
      if (!isRepositoryPath(path)) continue;
      const sha256 = sha256Of(fieldsOf(lfs)['oid']);
      files.push({ path, fileBytes, ...(sha256 !== undefined && { sha256 }) });
    }
    url = next;
  }
  return files;
}

/** The address of the next page, on the same host: the token goes there, too. */
function nextPage(link: string | undefined, url: string): string | undefined {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (next === undefined) return undefined;
  const absolute = URL.canParse(next, url) ? new URL(next, url) : undefined;
  if (absolute?.origin !== new URL(url).origin) throw badAnswer(url, 'goes on at another host');
  return absolute.href;
}

/** Says why a hub does not give something, by its own code for that. */
function refusal(answer: Answer, hub: Hub, repository: string, revision: string): MobillmError {
  const { status } = answer;
  const code = answer.header('x-error-code');
  answer.cancel();
  const details = { repository, revision, status, ...(code !== undefined && { code }) };
  const page = `${hub.endpoint}/${repository}`;
  const token = hub.authorization === undefined ? 'set HF_TOKEN' : 'check the token in HF_TOKEN';
  if (code === 'GatedRepo') {
    return new MobillmError(
      'ACCESS_DENIED',
      `The model "${repository}" is given to those who accepted its licence. Accept it at ${page}, and ${token}.`,
      { details },
    );
  }
  if (code === 'RevisionNotFound') {
    return new MobillmError(
      'MODEL_NOT_FOUND',
      `The repository "${repository}" has no branch, tag or commit "${revision}".`,
      { details },
    );
  }
  // The hub says the same of repositories that are private and that do not exist.
  if (code === 'RepoNotFound' || status === 404 || status === 401) {
    return new MobillmError(
      'MODEL_NOT_FOUND',
      `The hub has no repository "${repository}", or it is private. Check its name; if it is private, ${token}.`,
      { details },
    );
  }
  if (status === 403) {
    return new MobillmError(
      'ACCESS_DENIED',
      `The hub does not give "${repository}" to you. Look at ${page}, and ${token}.`,
      { details },
    );
  }
  return refusedBy(answer.url, status, `the repository "${repository}"`);
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
