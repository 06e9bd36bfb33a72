import { MobillmError } from '@mobillm/core';
import { badAnswer, type Answer } from '../http/http-client.js';
import { networkFailure } from '../http/network-errors.js';
import { pause } from '../pause.js';
import type { DownloadRequest } from './download.js';
import type { DownloadSubject } from './journal.js';
import type { Mirror } from './mirror.js';

/** Failures in a row, of all mirrors together and without a byte between them, that end a download. */
export const mostFailuresInARow = 8;

/** The size, and what the content is recognized by, from the first mirror that tells. */
export async function learnSubject(
  mirrors: readonly Mirror[],
  request: Pick<DownloadRequest, 'sha256' | 'totalBytes' | 'signal' | 'onMirrorDropped'>,
): Promise<DownloadSubject> {
  const { sha256, totalBytes, signal, onMirrorDropped } = request;
  if (sha256 !== undefined && totalBytes !== undefined) return { totalBytes, identity: sha256 };
  let failure: MobillmError | undefined;
  for (let round = 0; round < mostFailuresInARow; round++) {
    const left = mirrors.filter(({ dropped }) => dropped === undefined);
    if (left.length === 0) break;
    for (const mirror of left) {
      await pause(mirror.notBeforeMs - performance.now(), signal);
      try {
        const answer = await mirror.request(0, 0, signal);
        const length = sizeOf(answer);
        const mark = markOf(answer);
        // Read to its end, one byte leaves the connection of use.
        if (answer.status === 206) await drain(answer);
        else answer.cancel();
        if (length === undefined) {
          throw badAnswer(answer.url, 'does not say how long the file is');
        }
        if (totalBytes !== undefined && length !== totalBytes) {
          throw wrongSize(mirror, length, totalBytes);
        }
        // Bytes of two contents must not meet; a sha256 would tell of it.
        if (sha256 === undefined) mirror.mark = mark;
        return { totalBytes: length, identity: sha256 ?? mark };
      } catch (error) {
        signal.throwIfAborted();
        failure = toFailure(error, mirror);
        mirror.fail(failure, performance.now());
        if (mirror.dropped !== undefined) onMirrorDropped?.(mirror.host, failure);
      }
    }
  }
  throw failure ?? new MobillmError('NETWORK_FAILED', 'There is no address to download from.');
}

async function drain(answer: Answer): Promise<void> {
  let left = 2 ** 12;
  for await (const part of answer.body) {
    left -= part.byteLength;
    if (left < 0) return;
  }
}

/** The size of the whole file by an answer of status 200 or 206. */
export function sizeOf(answer: Answer): number | undefined {
  const text =
    answer.status === 206
      ? /^bytes \d+-\d+\/(\d+)$/.exec(answer.header('content-range') ?? '')?.[1]
      : answer.header('content-length');
  const size = text === undefined || !/^\d+$/.test(text) ? NaN : Number(text);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** What tells a content from others at the same address; `undefined` when the server has nothing. */
export function markOf(answer: Answer): string | undefined {
  return answer.header('etag') ?? answer.header('last-modified');
}

/** The error for a file of another size than the one that is wanted. */
export function wrongSize(mirror: Mirror, found: number, wanted: number): MobillmError {
  return new MobillmError(
    'INTEGRITY_FAILED',
    `${mirror.host} has a file of ${found} bytes where one of ${wanted} was expected; it is another file, or a page instead of one.`,
    { details: { host: mirror.host, found, wanted } },
  );
}

/** What went wrong with a mirror, with a code; errors of other origin are thrown. */
export function toFailure(error: unknown, mirror: Mirror): MobillmError {
  const failure = networkFailure(error, mirror.address.url);
  if (MobillmError.is(failure)) return failure;
  throw failure;
}
