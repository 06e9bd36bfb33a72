import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { onTestFinished } from 'vitest';
import { listen, stop } from './http-servers.js';
import type { Layer } from './registry-server.js';

/** A registry that has whatever a test wants, also what no real one would take. */
export interface LayerServer {
  /** Host and port. */
  readonly host: string;
  /** Digests of the blobs that were asked for. */
  readonly asked: readonly string[];
}

/**
 * Starts a registry of some models, by their tags, that ends with the test. A blob is sent once `held`
 * lets it go.
 */
export async function layerServer(
  tags: Readonly<Record<string, readonly Layer[]>>,
  held: (digest: string) => Promise<void> = () => Promise.resolve(),
): Promise<LayerServer> {
  const asked: string[] = [];
  const blobs = new Map<string, Uint8Array>();
  const manifests = new Map<string, string>();
  for (const [tag, layers] of Object.entries(tags)) {
    const rows = layers.map(({ kind, bytes }) => {
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      blobs.set(digest, bytes);
      return {
        mediaType: `application/vnd.ollama.image.${kind}`,
        digest,
        size: bytes.byteLength,
      };
    });
    manifests.set(tag, JSON.stringify({ layers: rows }));
  }
  const server = createServer((request, response) => {
    const last = request.url?.split('/').pop() ?? '';
    const blob = blobs.get(last);
    if (blob === undefined) {
      response.writeHead(manifests.has(last) ? 200 : 404).end(manifests.get(last));
      return;
    }
    asked.push(last);
    void held(last).then(() => {
      response.writeHead(200, { 'content-length': blob.byteLength }).end(blob);
    });
  });
  const port = await listen(server, '127.0.0.1');
  onTestFinished(() => stop(server));
  return { host: `127.0.0.1:${port}`, asked };
}
