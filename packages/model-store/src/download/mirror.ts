import { MobillmError } from '@mobillm/core';
import type { Answer, HttpClient } from '../http/http-client.js';
import { hostOf, refusedBy } from '../http/network-errors.js';

/** An address that gives a file. */
export interface MirrorAddress {
  /** Address, which may redirect. */
  readonly url: string;
  /** Value of the header `authorization` for its own host. */
  readonly authorization?: string | undefined;
  /** What it means when the server says no; `undefined` where that is nothing special. */
  readonly explain?: (answer: Answer) => MobillmError | undefined;
}

/** Statuses that say that this address will not give the file later either. */
const lasting = new Set([400, 401, 403, 404, 405, 406, 410, 451]);
/** What an expired signed address is answered with. */
const expired = new Set([400, 401, 403, 404, 410]);
const longestDelayMs = 30_000;
/** A server that asks for more patience than this is not waited for. */
const longestRetryAfterMs = 10 * 60_000;

/** One address of a file, with what has been learned of it during a download. */
export class Mirror {
  /** Why it is no longer asked; `undefined` while it is. */
  dropped: MobillmError | undefined;
  /** Whether it answers ranges; `undefined` until it has been asked. */
  givesRanges: boolean | undefined;
  /** The server's own mark of the content, where nothing else tells that it stays the same. */
  mark: string | undefined;
  /** Bytes a second of one connection; `undefined` before anything was measured. */
  bytesPerSecond: number | undefined;
  /** Connections that read from it. */
  active = 0;
  /** Failures since the last byte that came. */
  failures = 0;
  /** Not asked again before this time of `performance.now()`. */
  notBeforeMs = 0;
  /** Where the address redirected to, and the mark of the content there. */
  private direct: { readonly url: string; etag: string | undefined } | undefined;

  constructor(
    readonly address: MirrorAddress,
    private readonly client: HttpClient,
    private readonly firstDelayMs = 500,
  ) {}

  /** Its host, for sentences: an address may hold a signature. */
  get host(): string {
    return hostOf(this.address.url);
  }

  /**
   * Asks for bytes from `first` to `last`. The answer is 200 or 206. The address that a redirect led
   * to is asked directly the next time, and forgotten when it has expired.
   */
  async request(first: number, last: number | undefined, signal: AbortSignal): Promise<Answer> {
    const { direct } = this;
    if (direct !== undefined) {
      const answer = await this.send(direct.url, first, last, signal, direct.etag);
      if (!expired.has(answer.status)) return this.accept(answer);
      answer.cancel();
      this.direct = undefined;
    }
    return this.accept(await this.send(this.address.url, first, last, signal, undefined));
  }

  /**
   * Notes a failure, and how long to leave it alone; drops it where asking again is of no use. While it is
   * left alone already, what else fails is the same failure, met by another connection.
   */
  fail(error: MobillmError, nowMs: number): void {
    if (!error.retryable) {
      this.dropped = error;
      return;
    }
    if (!this.isLeftAlone(nowMs)) this.failures++;
    const asked = error.details['retryAfterMs'];
    const backOffMs =
      Math.min(this.firstDelayMs * 2 ** (this.failures - 1), longestDelayMs) *
      (0.5 + Math.random());
    const untilMs = nowMs + Math.max(backOffMs, typeof asked === 'number' ? asked : 0);
    this.notBeforeMs = Math.max(this.notBeforeMs, untilMs);
    this.direct = undefined;
  }

  /** Whether it is not to be asked yet, after a failure. */
  isLeftAlone(nowMs: number): boolean {
    return this.notBeforeMs > nowMs;
  }

  /** Takes in what one answer of it has given. */
  measure(bytes: number, seconds: number): void {
    if (bytes === 0) return;
    this.failures = 0;
    const rate = bytes / Math.max(seconds, 1e-3);
    this.bytesPerSecond =
      this.bytesPerSecond === undefined ? rate : 0.5 * this.bytesPerSecond + 0.5 * rate;
  }

  private async send(
    url: string,
    first: number,
    last: number | undefined,
    signal: AbortSignal,
    etag: string | undefined,
  ): Promise<Answer> {
    const { authorization } = this.address;
    const ofMirror = hostOf(url) === hostOf(this.address.url);
    return this.client.get(url, {
      headers: {
        range: `bytes=${first}-${last ?? ''}`,
        // Content that has changed comes whole, and is noticed.
        ...(etag !== undefined && { 'if-range': etag }),
      },
      authorization: ofMirror ? authorization : undefined,
      signal,
    });
  }

  private accept(answer: Answer): Answer {
    const { status, url } = answer;
    if (status === 200 || status === 206) {
      const coding = answer.header('content-encoding');
      if (coding !== undefined && coding !== 'identity') {
        answer.cancel();
        throw new MobillmError(
          'NETWORK_FAILED',
          `${this.host} sends the file compressed (${coding.slice(0, 40)}) although it was asked not to.`,
          { details: { host: this.host } },
        );
      }
      const etag = answer.header('etag');
      // Weak marks do not promise the same bytes.
      this.direct = { url, etag: etag?.startsWith('"') ? etag : undefined };
      return answer;
    }
    answer.cancel();
    const explained = this.address.explain?.(answer);
    if (explained !== undefined) throw explained;
    if (status === 401 || status === 403) {
      throw new MobillmError(
        'ACCESS_DENIED',
        `${this.host} does not give this file to you (${status}). A token may be missing or have expired.`,
        { details: { host: this.host, status } },
      );
    }
    if (lasting.has(status)) {
      throw new MobillmError('NETWORK_FAILED', lastingSentence(this.host, status), {
        details: { host: this.host, status },
      });
    }
    const error = refusedBy(url, status, 'a file');
    const retryAfterMs = parseRetryAfter(answer.header('retry-after'));
    if (retryAfterMs === undefined) throw error;
    throw new MobillmError('NETWORK_FAILED', error.message, {
      details: { ...error.details, retryAfterMs },
      retryable: error.retryable && retryAfterMs <= longestRetryAfterMs,
    });
  }
}

function lastingSentence(host: string, status: number): string {
  if (status === 404 || status === 410) return `${host} does not have this file (${status}).`;
  return `${host} does not give this file (${status}).`;
}

/** Seconds, or a date. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
