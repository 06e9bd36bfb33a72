import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { closedAfterEach, listen, stop } from './http-servers.js';

/** A proxy on this machine that makes tunnels (CONNECT). */
export interface ProxyServer {
  readonly host: string;
  /** What tunnels were asked for, in order, and with which credentials. */
  readonly tunnels: readonly { readonly to: string; readonly credentials: string | undefined }[];
  close(): Promise<void>;
}

/** Starts a proxy; one that is given credentials (`name:password`) refuses all others. */
async function startProxy(credentials?: string): Promise<ProxyServer> {
  const tunnels: { to: string; credentials: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, client: Socket) => {
    sockets.add(client);
    client.on('error', () => undefined);
    const header = /^Basic (.+)$/.exec(request.headers['proxy-authorization'] ?? '')?.[1];
    const given = header && Buffer.from(header, 'base64').toString();
    tunnels.push({ to: request.url ?? '', credentials: given });
    if (credentials !== undefined && given !== credentials) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(target).pipe(client);
    });
    sockets.add(target);
    target.on('error', () => client.destroy());
  });
  const port = await listen(server, '127.0.0.1');
  return {
    host: `127.0.0.1:${port}`,
    tunnels,
    close() {
      for (const socket of sockets) socket.destroy();
      return stop(server);
    },
  };
}

/** Starts proxies for the tests of a file and stops them after each. */
export function proxyServers(): typeof startProxy {
  return closedAfterEach(startProxy);
}
