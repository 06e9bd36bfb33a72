import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closedAfterEach, listen, parseRange, sendBytes, stop } from './http-servers.js';

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
  /** Connections that are open. */
  openConnections(): Promise<number>;
  /** Connections that were made. */
  readonly connections: number;
  close(): Promise<void>;
}

/** Starts a server of some bytes. */
export async function serveFile(bytes: Uint8Array, behave?: Behaviour): Promise<FileServer> {
  const ranges: (readonly [number, number] | undefined)[] = [];
  const state = { sentBytes: 0, connections: 0 };
  let number = 0;
  const server = createServer((request, response) => {
    const range = parseRange(request.headers.range, bytes.byteLength);
    ranges.push(range);
    if (behave?.(request, response, number++) === true) return;
    state.sentBytes += sendBytes(request, response, bytes, { etag: '"content"' });
  });
  server.on('connection', () => state.connections++);
  const port = await listen(server, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${port}/model.gguf`,
    ranges,
    get sentBytes() {
      return state.sentBytes;
    },
    openConnections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    get connections() {
      return state.connections;
    },
    close: () => stop(server),
  };
}

/** Answers with the beginning of the range that is asked for, and leaves the rest owing. */
export function sendBeginning(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  length: number,
): void {
  const [first, last] = parseRange(request.headers.range, bytes.byteLength)!;
  response.writeHead(206, {
    etag: '"content"',
    'content-length': last + 1 - first,
    'content-range': `bytes ${first}-${last}/${bytes.byteLength}`,
  });
  response.write(bytes.subarray(first, Math.min(first + length, last + 1)));
}

/** Starts servers for the tests of a file and stops them after each. */
export function fileServers(): typeof serveFile {
  return closedAfterEach(serveFile);
}
