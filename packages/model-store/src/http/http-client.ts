import { MobillmError } from '@mobillm/core';
import { hostOf, networkFailure } from './network-errors.js';
import { isThisMachine } from './this-machine.js';
import type { HttpResponse, HttpTransport } from './transport.js';

const maxRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

/** What {@link HttpClient.get} takes. */
export interface GetOptions {
  /** Headers by their lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Value of `authorization`, for the host of the address alone. */
  readonly authorization?: string | undefined;
  readonly signal: AbortSignal;
}

/** An answer, and the address that it came from after all redirects. */
export interface Answer extends HttpResponse {
  readonly url: string;
}

/** Requests with redirects followed by rule, and errors with a code. */
export class HttpClient {
  constructor(private readonly transport: HttpTransport) {}

  /**
   * Asks for an address. A redirect to another host does not get the authorization, one from https to
   * http is refused, and after ten the address is given up.
   *
   * @throws MobillmError `NETWORK_FAILED`; the signal's reason.
   */
  async get(url: string, options: GetOptions): Promise<Answer> {
    const { headers = {}, authorization, signal } = options;
    let current = url;
    let authorized = authorization !== undefined;
    for (let hops = 0; ; hops++) {
      signal.throwIfAborted();
      const answer = await this.transport
        .send({
          url: current,
          headers: {
            'accept-encoding': 'identity',
            'user-agent': 'mobillm',
            ...headers,
            ...(authorized && { authorization: authorization ?? '' }),
          },
          signal,
        })
        .catch((error: unknown) => {
          signal.throwIfAborted();
          throw networkFailure(error, current);
        });
      const location = redirects.has(answer.status) ? answer.header('location') : undefined;
      // What the network has followed by itself is held to the same rules.
      const moved = location ?? answer.url;
      if (moved === undefined) return withUrl(answer, current);
      let next: string;
      try {
        next = target(moved, current);
      } catch (error) {
        answer.cancel();
        throw error;
      }
      if (location === undefined) return withUrl(answer, next);
      answer.cancel();
      if (hops >= maxRedirects) {
        throw refusedRedirect(url, `is redirected more than ${maxRedirects} times`);
      }
      if (hostOf(next) !== hostOf(current)) authorized = false;
      current = next;
    }
  }

  /**
   * The body of an answer as JSON. At most `maxBytes` are read.
   *
   * @throws MobillmError `NETWORK_FAILED` when it is longer, or no JSON.
   */
  async json(answer: Answer, maxBytes: number, signal: AbortSignal): Promise<unknown> {
    const bytes = await this.bytes(answer, maxBytes, signal);
    try {
      return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    } catch {
      throw badAnswer(answer.url, 'is not JSON, where JSON was asked for');
    }
  }

  /** The body of an answer, which may have at most `maxBytes`. */
  async bytes(answer: Answer, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const part of answer.body) {
        length += part.byteLength;
        if (length > maxBytes) {
          throw badAnswer(
            answer.url,
            `is longer than the ${maxBytes} bytes that are read of such an answer`,
          );
        }
        // A copy, which `slice` of Node's buffers is not.
        parts.push(new Uint8Array(part));
      }
    } catch (error) {
      signal.throwIfAborted();
      throw networkFailure(error, answer.url);
    }
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    return bytes;
  }

  /** Closes idle connections. */
  close(): Promise<void> {
    return this.transport.close();
  }
}

/** The error for an answer that is not what was asked for. */
export function badAnswer(url: string, what: string): MobillmError {
  return new MobillmError('NETWORK_FAILED', `What ${hostOf(url)} answers ${what}.`, {
    details: { host: hostOf(url) },
  });
}

function withUrl(answer: HttpResponse, url: string): Answer {
  return {
    url,
    status: answer.status,
    body: answer.body,
    header: (name) => answer.header(name),
    cancel: () => answer.cancel(),
  };
}

function target(location: string, from: string): string {
  let url: URL;
  try {
    url = new URL(location, from);
  } catch {
    throw refusedRedirect(from, 'is redirected to something that is not an address');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refusedRedirect(from, `is redirected to "${url.protocol}", which is not followed`);
  }
  if (url.protocol === 'http:' && from.startsWith('https:')) {
    throw refusedRedirect(from, 'is redirected from https to http, which is not followed');
  }
  // Nobody outside makes this process speak to services of this machine.
  if (isThisMachine(url.hostname) && !isThisMachine(new URL(from).hostname)) {
    throw refusedRedirect(from, 'is redirected to this machine itself, which is not followed');
  }
  return url.href;
}

function refusedRedirect(url: string, what: string): MobillmError {
  return new MobillmError('NETWORK_FAILED', `An address of ${hostOf(url)} ${what}.`, {
    details: { host: hostOf(url) },
  });
}
