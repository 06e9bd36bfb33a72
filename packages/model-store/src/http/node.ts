import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { getProxyForUrl } from 'proxy-from-env';
import { BodyQueue } from './body-queue.js';
import { stallMs, type HttpRequest, type HttpResponse, type HttpTransport } from './transport.js';
import { tunnelAgents, type Agents } from './tunnel-agents.js';

/** Times that a transport waits, in milliseconds. */
export interface TransportTimes {
  /** Longest silence; 30 s by default. */
  readonly stallMs?: number;
}

/**
 * Requests over Node's sockets, through the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
 * `NO_PROXY` name. Certificates are checked as in all of Node, `NODE_EXTRA_CA_CERTS` included.
 */
export function createNodeTransport(times: TransportTimes = {}): HttpTransport {
  const silenceMs = times.stallMs ?? stallMs;
  /** Those for each proxy, and, under the empty name, for none. */
  const agents = new Map<string, Agents>();
  const agentsFor = (url: string) => {
    const proxy = getProxyForUrl(url);
    const known = agents.get(proxy);
    if (known !== undefined) return known;
    const made = proxy === '' ? directAgents() : tunnelAgents(proxy, silenceMs);
    agents.set(proxy, made);
    return made;
  };
  return {
    send: async (wanted) => send(wanted, agentsFor(wanted.url), silenceMs),
    close: async () => {
      for (const ofProxy of agents.values()) {
        for (const agent of [ofProxy['http:'], ofProxy['https:']]) agent.destroy();
      }
    },
  };
}

/** What `#http` means under Node. */
export const createTransport: () => HttpTransport = createNodeTransport;

function directAgents(): Agents {
  return {
    'http:': new HttpAgent({ keepAlive: true }),
    'https:': new HttpsAgent({ keepAlive: true }),
  };
}

/** Why a request ends whose answer nobody reads. */
const ended = new Error('the answer is not needed');

function send(wanted: HttpRequest, agents: Agents, silenceMs: number): Promise<HttpResponse> {
  const { url, headers, signal } = wanted;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const isSecure = url.startsWith('https:');
    const request = (isSecure ? httpsRequest : httpRequest)(url, {
      agent: agents[isSecure ? 'https:' : 'http:'],
      headers,
      // An address says nothing of who asks.
      auth: null,
    });
    let answered: IncomingMessage | undefined;
    // A request that is destroyed tells its answer only that the connection was closed.
    const destroy = (error: Error) => void (answered ?? request).destroy(error);
    const end = () => destroy(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    const silence = new SilenceWatch(silenceMs, destroy);
    const finish = () => {
      silence.finish();
      signal.removeEventListener('abort', end);
    };
    request.on('socket', freeWhatWasRead);
    request.on('response', (answer) => {
      answered = answer;
      silence.touch();
      resolve(responseOf(answer, silence, finish));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      finish();
      // A connection that was kept had been closed by the server before it saw the request.
      const isStale = request.reusedSocket && answered === undefined && error.code === 'ECONNRESET';
      if (isStale && !signal.aborted) resolve(send(wanted, agents, silenceMs));
      else reject(error);
    });
    request.end();
  });
}

/** The answer, its body taken as the socket gives it. */
function responseOf(
  answer: IncomingMessage,
  silence: SilenceWatch,
  finish: () => void,
): HttpResponse {
  const body = new BodyQueue({
    resume() {
      silence.touch();
      answer.resume();
    },
    stop: () => answer.destroy(ended),
    free,
  });
  answer.on('data', (part: Uint8Array) => {
    silence.touch();
    if (body.push(part)) return;
    answer.pause();
    // Now it is not the network that is silent.
    silence.stop();
  });
  answer.on('end', () => {
    finish();
    body.finish();
  });
  // An error is met by whoever reads the body, and by nobody else.
  answer.on('error', (error) => {
    finish();
    body.finish(error);
  });
  return {
    status: answer.statusCode ?? 0,
    header(name) {
      const value = answer.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body,
    cancel: () => answer.destroy(ended),
  };
}

/** Ends a request that brings nothing for too long. */
class SilenceWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isFinished = false;

  constructor(
    private readonly longestMs: number,
    private readonly end: (error: Error) => void,
  ) {
    this.touch();
  }

  /** Something came, or the watch begins again. */
  touch(): void {
    // What is read of the answer after its end has nothing to do with its connection.
    if (this.isFinished) return;
    if (this.timer !== undefined) {
      this.timer.refresh();
      return;
    }
    this.timer = setTimeout(() => {
      this.end(Object.assign(new Error('nothing came'), { code: 'ETIMEDOUT' }));
    }, this.longestMs);
  }

  /** Nothing is expected for a while. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** All has come. */
  finish(): void {
    this.isFinished = true;
    this.stop();
  }
}

/** The parser of HTTP hands on copies of what a socket gives. */
function freeWhatWasRead(socket: Duplex): void {
  // Behind the parser, which a socket that is used again gets anew.
  socket.off('data', free).on('data', free);
}

/** Smaller buffers may lie in memory that Node shares among them. */
const smallestFreed = 2 ** 13;
let nowhere: MessagePort | undefined;

/**
 * Frees the memory of what was read. Each part is a buffer of its own, and collecting garbage begins after 64 MiB
 * of them; what is moved to a closed port is freed at once. A part that does not go to the end of its
 * buffer stays: what is behind it may not have been read yet.
 */
function free(part: Uint8Array): void {
  const { buffer, byteOffset, byteLength } = part;
  const isLast = byteOffset + byteLength === buffer.byteLength;
  if (byteLength < smallestFreed || !isLast || !(buffer instanceof ArrayBuffer)) return;
  if (nowhere === undefined) {
    const { port1, port2 } = new MessageChannel();
    port1.close();
    port2.close();
    nowhere = port1;
  }
  try {
    nowhere.postMessage(undefined, [buffer]);
  } catch {
    // Node says of some buffers that they cannot be moved.
  }
}
