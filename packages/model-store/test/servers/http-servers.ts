import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

/** Lets a server listen on some port of this machine, by every name that it has, and tells the port. */
export async function listen(server: Server, host?: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

/** Ends a server with all its connections. */
export function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  });
}

/** A function that starts servers, and has them closed after each test of a file. */
export function closedAfterEach<A extends unknown[], S extends { close(): Promise<void> }>(
  start: (...args: A) => Promise<S>,
): (...args: A) => Promise<S> {
  const running: S[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
  });
  return async (...args) => {
    const server = await start(...args);
    running.push(server);
    return server;
  };
}

/** The first and last byte that a header `range` asks for; `undefined` without one. */
export function parseRange(
  header: string | undefined,
  size: number,
): readonly [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (match === null) return undefined;
  return [Number(match[1]), match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)];
}

/** Sends some bytes, or the range of them that is asked for, and tells how many that are. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
): number {
  const range = parseRange(request.headers.range, bytes.byteLength);
  const [first, last] = range ?? [0, bytes.byteLength - 1];
  const body = bytes.subarray(first, last + 1);
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    'accept-ranges': 'bytes',
    'content-length': body.byteLength,
    ...(range !== undefined && { 'content-range': `bytes ${first}-${last}/${bytes.byteLength}` }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  return body.byteLength;
}
