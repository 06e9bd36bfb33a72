import { MobillmError, type StoredModel } from '@mobillm/core';
import { markOf, sizeOf } from '../download/learn-subject.js';
import { hostOf } from '../http/network-errors.js';
import type { HttpClient } from '../http/http-client.js';
import type { RemoteModel } from '../sources/source.js';

/**
 * Asks whether an address of which no sha256 is known still gives what the store has of it. Where nobody
 * answers, or the server says no, it is taken for the same: the model works without a network.
 *
 * @throws MobillmError `MODEL_CONFLICT` when the server has another file now.
 */
export async function checkAddress(
  client: HttpClient,
  { files, origin }: RemoteModel,
  stored: StoredModel,
  signal: AbortSignal,
): Promise<void> {
  const [file] = files;
  const [kept] = stored.files.files;
  const address = file?.addresses[0];
  if (files.length !== 1 || file?.sha256 !== undefined || origin.revision !== undefined) return;
  if (address === undefined || kept?.fileBytes === undefined) return;
  const mark = stored.origin?.revision;
  const answer = await client
    .get(address.url, {
      headers: { range: 'bytes=0-0', ...conditionOf(mark) },
      authorization: address.authorization,
      signal,
    })
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (MobillmError.is(error)) return undefined;
      throw error;
    });
  answer?.cancel();
  if (answer === undefined || ![200, 206].includes(answer.status)) return;
  const now = { size: sizeOf(answer), mark: markOf(answer) };
  const isOther =
    (now.size !== undefined && now.size !== kept.fileBytes) ||
    (mark !== undefined && now.mark !== undefined && strong(now.mark) !== strong(mark));
  if (!isOther) return;
  throw new MobillmError(
    'MODEL_CONFLICT',
    `${hostOf(address.url)} has another file by now than the one that the store keeps as "${stored.name}". Remove that one to get the new one, or pull it under another name.`,
    { details: { name: stored.name, host: hostOf(address.url), path: kept.path } },
  );
}

function conditionOf(mark: string | undefined): Record<string, string> {
  if (mark === undefined) return {};
  return /^(W\/)?"/.test(mark) ? { 'if-none-match': mark } : { 'if-modified-since': mark };
}

/** A weak mark and a strong one say the same here: which file it is. */
function strong(mark: string): string {
  return mark.replace(/^W\//, '');
}
