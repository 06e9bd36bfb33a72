import { getProxyForUrl } from 'proxy-from-env';
import { Agent, ProxyAgent, request, type Dispatcher } from 'undici';
import { stallMs, type HttpTransport } from './transport.js';

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
  const silence = times.stallMs ?? stallMs;
  const options = { headersTimeout: silence, bodyTimeout: silence, connectTimeout: silence };
  /** One for each proxy, and one, under the empty name, for none. */
  const dispatchers = new Map<string, Dispatcher>();
  const dispatcherFor = (url: string) => {
    const proxy = getProxyForUrl(url);
    const known = dispatchers.get(proxy);
    if (known !== undefined) return known;
    const made = proxy === '' ? new Agent(options) : new ProxyAgent({ ...options, uri: proxy });
    dispatchers.set(proxy, made);
    return made;
  };
  return {
    async send({ url, headers, signal }) {
      const answer = await request(url, {
        headers,
        signal,
        dispatcher: dispatcherFor(url),
      });
      const { body } = answer;
      // An error between the head of an answer and the reading of its body is nobody's, which would end
      // the process. Whoever reads the body gets it as well.
      body.on('error', () => undefined);
      return {
        status: answer.statusCode,
        header(name) {
          const value = answer.headers[name];
          return Array.isArray(value) ? value[0] : value;
        },
        body,
        cancel() {
          body.destroy();
        },
      };
    },
    async close() {
      await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** What `#http` means under Node. */
export const createTransport: () => HttpTransport = createNodeTransport;
