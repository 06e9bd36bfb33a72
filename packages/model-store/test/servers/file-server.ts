import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

/** What a test server does with a request; nothing returned means the plain file. */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Number of the request, from 0. */
  number: number,
) => boolean;

/** A server of one file on this machine, with ranges, that may behave badly. */
export interface FileServer {
  readonly url: string;
  /** Ranges that were asked for, in order; `undefined` where a request had none. */
  readonly ranges: readonly (readonly [number, number] | undefined)[];
  /** Bytes of bodies that were handed to the system. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

/** Starts a server of some bytes. */
export async function serveFile(bytes: Uint8Array, behave?: Behaviour): Promise<FileServer> {
  const ranges: (readonly [number, number] | undefined)[] = [];
  const state = { sentBytes: 0 };
  let number = 0;
  const server: Server = createServer((request, response) => {
    const range = parseRange(request.headers.range, bytes.byteLength);
    ranges.push(range);
    if (behave?.(request, response, number++) === true) return;
    const [first, last] = range ?? [0, bytes.byteLength - 1];
    const body = bytes.subarray(first, last + 1);
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': body.byteLength,
      'accept-ranges': 'bytes',
      etag: '"content"',
      ...(range !== undefined && {
        'content-range': `bytes ${first}-${last}/${bytes.byteLength}`,
      }),
    });
    state.sentBytes += body.byteLength;
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`,
    ranges,
    get sentBytes() {
      return state.sentBytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Starts servers for the tests of a file and stops them after each. */
export function fileServers(): (bytes: Uint8Array, behave?: Behaviour) => Promise<FileServer> {
  const running: FileServer[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
  });
  return async (bytes, behave) => {
    const server = await serveFile(bytes, behave);
    running.push(server);
    return server;
  };
}

function parseRange(
  header: string | undefined,
  size: number,
): readonly [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (match === null) return undefined;
  return [Number(match[1]), match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)];
}
