import { MobillmError } from '@mobillm/core';
import { badAnswer, type Answer } from '../http/http-client.js';
import { markOf, sizeOf, wrongSize } from './learn-subject.js';
import type { Mirror } from './mirror.js';
import { pieceBytes } from './piece-map.js';
import type { Span } from './range-planner.js';
import { SpanWriter, type Batching, type PieceSink } from './span-writer.js';

/** What a connection got. */
export interface SpanReport {
  /** Bytes of the body. */
  bytes: number;
  /** Whether a piece came that was missing. */
  gained: boolean;
}

/**
 * Fetches the pieces of a span from a mirror by one request, and writes them. `span` says all the time what
 * is left, and its end may be brought forward meanwhile by whoever takes over the rest.
 *
 * @throws MobillmError `IO_FAILED` of the disk; everything else is the mirror's fault, with the error of
 * the system or a MobillmError.
 */
export async function fetchSpan(
  mirror: Mirror,
  span: Span,
  sink: PieceSink,
  batching: () => Batching,
  report: SpanReport,
  signal: AbortSignal,
): Promise<void> {
  const { pieces } = sink;
  const rangeOf = ({ next, end }: Span) => ({
    first: next * pieceBytes,
    bytes: Math.min(end * pieceBytes, pieces.totalBytes) - next * pieceBytes,
  });
  const asked = rangeOf(span);
  const last = asked.first + asked.bytes - 1;
  const answer = await mirror.request(asked.first, last, signal);
  try {
    // An answer of the whole file passes by what is there.
    const whole = isWhole(mirror, answer, asked.first, pieces.totalBytes);
    if (whole) Object.assign(span, { first: 0, next: 0, end: pieces.count });
    const { end } = span;
    const expected = rangeOf(span).bytes;
    const writer = new SpanWriter(sink, span.next, batching);
    try {
      for await (const part of answer.body) {
        report.bytes += part.byteLength;
        await writer.write(part, span.end);
        span.next = writer.position;
        // Another connection has taken the rest, or the server gives more than was asked for. Else it
        // is read to its end, which leaves the connection of use.
        const isShortened = span.end < end;
        if ((span.next >= span.end && isShortened) || report.bytes > expected) break;
      }
    } finally {
      await writer.finish();
    }
  } finally {
    answer.cancel();
  }
  if (span.next < span.end) {
    throw Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' });
  }
}

/** Checks the head of an answer; whether it is the whole file rather than the range. */
function isWhole(mirror: Mirror, answer: Answer, first: number, totalBytes: number): boolean {
  const size = sizeOf(answer);
  if (size !== undefined && size !== totalBytes) throw wrongSize(mirror, size, totalBytes);
  const mark = markOf(answer) ?? mirror.mark;
  if (mirror.mark !== undefined && mark !== mirror.mark) throw changedFile(mirror);
  if (answer.status === 200) {
    if (mirror.givesRanges === true) throw changedFile(mirror);
    mirror.givesRanges = false;
    return true;
  }
  const range = answer.header('content-range') ?? '';
  if (!range.startsWith(`bytes ${first}-`) || size === undefined) {
    throw badAnswer(answer.url, 'is another part of the file than was asked for');
  }
  mirror.givesRanges = true;
  return false;
}

function changedFile({ host }: Mirror): MobillmError {
  return new MobillmError(
    'INTEGRITY_FAILED',
    `The file at ${host} has changed while it was downloaded. Start again to get the new one.`,
    { details: { host } },
  );
}
