import { createHash } from 'node:crypto';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { fileServers } from '../servers/file-server.js';
import { listen, sendBytes, stop } from '../servers/http-servers.js';
import { selfSigned } from '../servers/self-signed.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');
const openStore = () => {
  const store = createModelStore({ directory: `${folder.path}/store` });
  onTestFinished(() => store.close());
  return store;
};

describe('a server that means no good', () => {
  it('may redirect in a loop, which is given up', async () => {
    const server = await serve(model, (request, response) => {
      response.writeHead(302, { location: `${request.url}x` }).end();
      return true;
    });
    await expect(openStore().pull(server.url)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      retryable: false,
      message: expect.stringContaining('more than 10 times') as unknown,
    });
    expect(server.ranges).toHaveLength(11);
  });

  it('may speak TLS with a certificate that nobody vouches for, which is refused', async () => {
    const server = createHttpsServer(selfSigned, (request, response) => {
      sendBytes(request, response, model, {});
    });
    const port = await listen(server, '127.0.0.1');
    onTestFinished(() => stop(server));
    const pulling = openStore().pull(`https://localhost:${port}/model.gguf`);
    await expect(pulling).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      retryable: false,
      message: expect.stringContaining('NODE_EXTRA_CA_CERTS') as unknown,
    });
  });

  it('may speak no TLS where it should, which is told', async () => {
    const server = await serve(model);
    const pulling = openStore().pull(server.url.replace('http:', 'https:'));
    await expect(pulling).rejects.toMatchObject({ code: 'NETWORK_FAILED', retryable: false });
  });

  it('may speak no HTTP at all, which is told', async () => {
    const server = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const pulling = openStore().pull(`http://127.0.0.1:${port}/model.gguf`);
    await expect(pulling).rejects.toMatchObject({ code: 'NETWORK_FAILED', retryable: false });
  });

  it('may send a page with status 200 where the size is known, which is refused', async () => {
    const server = await serve(model, (request, response, number) => {
      if (number === 0) return false;
      const page = '<html>Please log in to this network</html>';
      response.writeHead(200, { 'content-type': 'text/html', 'content-length': page.length });
      response.end(page);
      return true;
    });
    const pulling = openStore().pull(`${server.url}#sha256=${sha256}`);
    await expect(pulling).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
  });

  it('may give more than it says, of which no byte is taken', async () => {
    const server = await serve(model, (request, response, number) => {
      if (number === 0) return false;
      // Written past Node's own check of the length.
      response.socket?.write(
        `HTTP/1.1 206 Partial Content\r\netag: "content"\r\ncontent-range: bytes 0-${model.byteLength - 1}/${model.byteLength}\r\ncontent-length: ${model.byteLength}\r\n\r\n`,
      );
      response.socket?.write(model);
      response.socket?.end(Buffer.alloc(300_000, 'more'));
      return true;
    });
    const pulled = await openStore().pull(`${server.url}#sha256=${sha256}`, { connections: 1 });
    expect(pulled.files.files[0]?.fileBytes).toBe(model.byteLength);
  });

  it('may send its bytes in chunks that do not say how many there are', async () => {
    const server = await serve(model, (request, response, number) => {
      if (number === 0) return false;
      const [first, last] = server.ranges[number]!;
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${model.byteLength}` });
      for (let at = first; at <= last; at += 50_000) {
        response.write(model.subarray(at, Math.min(at + 50_000, last + 1)));
      }
      response.end();
      return true;
    });
    const store = openStore();
    await store.pull(`${server.url}#sha256=${sha256}`);
    expect(await store.verify('model')).toMatchObject({ ok: true });
  });

  it('may send heads without end, which is told', async () => {
    const server = await serve(model, (_, response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      response.socket?.end(`x: ${'y'.repeat(100_000)}\r\n\r\n`);
      return true;
    });
    const pulling = openStore().pull(server.url);
    await expect(pulling).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
  });

  it.each(['hf:a/b', 'ollama:HOST/a/b', 'modelscope:a/b'])(
    'may answer %s with JSON without end, of which little is read',
    async (reference) => {
      let sentBytes = 0;
      const page = Buffer.alloc(2 ** 20, '[[[[[[[[');
      const server = await serve(model, (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = () => {
          while (!response.destroyed && sentBytes < 2 ** 30) {
            sentBytes += page.byteLength;
            if (!response.write(page)) {
              response.once('drain', more);
              return;
            }
          }
        };
        more();
        return true;
      });
      const { host, origin } = new URL(server.url);
      vi.stubEnv('HF_ENDPOINT', origin);
      vi.stubEnv('MODELSCOPE_ENDPOINT', origin);
      onTestFinished(() => void vi.unstubAllEnvs());
      const pulling = openStore().pull(reference.replace('HOST', host));
      await expect(pulling).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
      expect(sentBytes).toBeLessThan(2 ** 27);
    },
  );
});
