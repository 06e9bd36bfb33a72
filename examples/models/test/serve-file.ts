import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of one file with ranges, as a content network is. */
export interface FileServer {
  /** Address with the sha256 of the file. */
  readonly reference: string;
  /** Bytes that were sent. */
  sentBytes: number;
  close(): Promise<void>;
}

/** Serves some bytes. An answer stops after `mostBytes`, and goes on once `release` has settled. */
export async function serveFile(
  bytes: Uint8Array,
  slow?: { readonly mostBytes: number; readonly release: Promise<void> },
): Promise<FileServer> {
  const state = { sentBytes: 0 };
  const server: Server = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const first = Number(range?.[1] ?? 0);
    const last = range?.[2] ? Math.min(Number(range[2]), bytes.length - 1) : bytes.length - 1;
    const body = bytes.subarray(first, last + 1);
    response.writeHead(range ? 206 : 200, {
      etag: '"content"',
      'content-length': body.length,
      ...(range && { 'content-range': `bytes ${first}-${last}/${bytes.length}` }),
    });
    const most = slow?.mostBytes ?? Infinity;
    const begin = body.subarray(0, most);
    state.sentBytes += begin.length;
    response.write(begin);
    if (body.length <= most) response.end();
    else {
      void slow?.release.then(() => {
        state.sentBytes += response.destroyed ? 0 : body.length - begin.length;
        response.end(body.subarray(most));
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return Object.assign(state, {
    reference: `http://127.0.0.1:${port}/tiny.gguf#sha256=${sha256}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}
