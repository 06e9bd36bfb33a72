import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

/** Agents for addresses of each scheme. */
export interface Agents {
  readonly 'http:': HttpAgent;
  readonly 'https:': HttpsAgent;
}

/** What Node asks an agent for a connection with. */
type Target = ConnectionOptions & { readonly host?: string; readonly port?: number | string };
type Connected = (error: Error | null, socket?: Duplex) => void;

/**
 * Agents whose connections are tunnels that a proxy makes (CONNECT), which sees of https nothing but the host.
 *
 * @throws Error with the code `PROXY_INVALID` for an address that is none of an HTTP proxy.
 */
export function tunnelAgents(proxyAddress: string, timeoutMs: number): Agents {
  const proxy = parseProxy(proxyAddress);
  const plain = new HttpAgent({ keepAlive: true });
  const secure = new HttpsAgent({ keepAlive: true });
  const connectPlain = (target: Target, connected: Connected) => {
    makeTunnel(proxy, target, timeoutMs, connected);
  };
  const connectSecure = (target: Target, connected: Connected) => {
    makeTunnel(proxy, target, timeoutMs, (error, socket) => {
      if (socket === undefined) connected(error);
      else connected(null, connectTls({ ...target, socket }));
    });
  };
  return {
    'http:': Object.assign(plain, { createConnection: connectPlain }),
    'https:': Object.assign(secure, { createConnection: connectSecure }),
  };
}

function parseProxy(address: string): URL {
  try {
    const url = new URL(address);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Said below.
  }
  throw proxyError('PROXY_INVALID');
}

function makeTunnel(proxy: URL, target: Target, timeoutMs: number, connected: Connected): void {
  const path = `${target.host}:${target.port}`;
  const connect = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)(proxy, {
    method: 'CONNECT',
    path,
    headers: { host: path, ...credentialsOf(proxy) },
    auth: null,
    agent: false,
    timeout: timeoutMs,
  });
  connect.on('timeout', () => {
    connect.destroy(Object.assign(new Error('the proxy is silent'), { code: 'ETIMEDOUT' }));
  });
  connect.on('error', connected);
  const refuse = (status = 0) => {
    connected(proxyError(status < 500 ? 'PROXY_DENIED' : 'PROXY_FAILED'));
  };
  // What is no tunnel may come as an ordinary answer.
  connect.on('response', (answer) => {
    answer.destroy();
    refuse(answer.statusCode);
  });
  connect.on('connect', ({ statusCode }, socket, head) => {
    // The time that a tunnel may take to be made is not that of what goes through it.
    socket.setTimeout(0);
    if (statusCode === 200) {
      if (head.byteLength > 0) socket.unshift(head);
      connected(null, socket);
      return;
    }
    socket.on('error', () => undefined).destroy();
    refuse(statusCode);
  });
  connect.end();
}

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(words).toString('base64')}` };
}

function proxyError(code: 'PROXY_INVALID' | 'PROXY_DENIED' | 'PROXY_FAILED'): Error {
  return Object.assign(new Error('there is no tunnel through the proxy'), { code });
}
