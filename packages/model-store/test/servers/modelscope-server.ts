import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { closedAfterEach, listen, sendBytes, stop } from './http-servers.js';

/** A hub as ModelScope's, on this machine. */
export interface ModelScopeServer {
  readonly endpoint: string;
  /** Paths of files that were asked for. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** Starts a hub with one repository; its list tells the sha256 of every file. */
async function startModelScope(
  id: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<ModelScopeServer> {
  const asked: string[] = [];
  const list = Object.entries(files).map(([path, bytes]) => ({
    Name: path.split('/').pop(),
    Path: path,
    Size: bytes.byteLength,
    Sha256: createHash('sha256').update(bytes).digest('hex'),
    Type: 'blob',
    Revision: 'a'.repeat(40),
  }));
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://hub');
    if (url.pathname === `/api/v1/models/${id}/repo/files`) {
      sendJson(response, 200, { Code: 200, Success: true, Data: { Files: list } });
      return;
    }
    const path = url.searchParams.get('FilePath') ?? '';
    const bytes = Object.hasOwn(files, path) ? files[path] : undefined;
    if (url.pathname !== `/api/v1/models/${id}/repo` || bytes === undefined) {
      sendJson(response, 404, { Code: 10010205001, Success: false, Message: 'not found' });
      return;
    }
    asked.push(path);
    sendBytes(request, response, bytes, { etag: '"content"' });
  });
  const port = await listen(server, '127.0.0.1');
  return { endpoint: `http://127.0.0.1:${port}`, asked, close: () => stop(server) };
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** Starts hubs for the tests of a file and stops them after each. */
export function modelScopeServers(): typeof startModelScope {
  return closedAfterEach(startModelScope);
}
