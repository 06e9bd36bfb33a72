import { createServer, type RequestListener } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HttpClient } from '../src/http/http-client.js';
import { createNodeTransport } from '../src/http/node.js';
import { listen, stop } from './servers/http-servers.js';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const port = await listen(server, '127.0.0.1');
  onTestFinished(() => stop(server));
  return `http://127.0.0.1:${port}/`;
}

describe('an answer whose body nobody reads', () => {
  it('does not end the process when its connection falls silent', async () => {
    const closed = vi.fn();
    const url = await serve((request, response) => {
      request.socket.on('close', closed);
      response.writeHead(302, { location: '/elsewhere', 'content-length': 100_000 });
      response.write('x');
    });
    const uncaught = vi.fn();
    process.on('uncaughtException', uncaught);
    onTestFinished(() => void process.off('uncaughtException', uncaught));
    const transport = createNodeTransport({ stallMs: 1000 });
    const { signal } = new AbortController();
    const answer = await transport.send({ url, headers: {}, signal });
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), 10_000);
    // The system tells of the closed connection first, and the client of its error soon after.
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    const reading = (async () => {
      for await (const part of answer.body) expect(part.byteLength).toBe(1);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(uncaught).not.toHaveBeenCalled();
    await transport.close();
  });

  it.each(['file:///etc/passwd', 'http://['])('is ended when it redirects to %s', async (to) => {
    const closed = vi.fn();
    const url = await serve((request, response) => {
      request.socket.on('close', closed);
      response.writeHead(302, { location: to, 'content-length': 100_000 });
      response.write('x');
    });
    const client = new HttpClient(createNodeTransport());
    const { signal } = new AbortController();
    await expect(client.get(url, { signal })).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), 10_000);
    await client.close();
  });
});

describe('a redirect from elsewhere', () => {
  it.each([
    'localhost',
    'localhost.',
    'models.localhost',
    '127.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
  ])('to this machine as %s is not followed', async (host) => {
    const asked: string[] = [];
    const client = new HttpClient({
      send: ({ url }) => {
        asked.push(url);
        return Promise.resolve({
          status: 302,
          header: () => `http://${host}/`,
          body: (async function* () {})(),
          cancel: () => undefined,
        });
      },
      close: () => Promise.resolve(),
    });
    const { signal } = new AbortController();
    const getting = client.get('http://example.org/', { signal });
    await expect(getting).rejects.toThrow(/redirected to this machine/);
    expect(asked).toHaveLength(1);
  });
});
