import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { HttpClient } from '../src/http/http-client.js';
import { createTransport } from '../src/http/portable.js';
import { listen, stop } from './servers/http-servers.js';

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  const port = await listen(server);
  onTestFinished(() => stop(server));
  return port;
}

/** Node's `fetch`, with redirects that are not followed hidden as the standard has it for web pages. */
const fetchOfBrowser: typeof fetch = async (input, init) => {
  const answer = await realFetch(input, init);
  if (init?.redirect !== 'manual' || answer.status < 300 || answer.status >= 400) return answer;
  await answer.body?.cancel();
  const hidden = { type: 'opaqueredirect', status: 0, headers: new Headers(), body: null, url: '' };
  return hidden as unknown as Response;
};
const realFetch = fetch;
afterEach(() => void vi.unstubAllGlobals());

describe.each([
  ['tells where a redirect leads', realFetch],
  ['hides where a redirect leads', fetchOfBrowser],
])('a network that %s', (_, fetchThere) => {
  const get = async (url: string, authorization?: string) => {
    vi.stubGlobal('fetch', fetchThere);
    const client = new HttpClient(createTransport());
    const { signal } = new AbortController();
    const answer = await client.get(url, { authorization, signal });
    return { answer, text: new TextDecoder().decode(await client.bytes(answer, 100, signal)) };
  };

  it('gives what is there, and says where it came from', async () => {
    const seen: IncomingMessage[] = [];
    const target = await serve((request, response) => {
      seen.push(request);
      response.end('content');
    });
    const first = await serve((request, response) => {
      seen.push(request);
      // Another host name for the same machine, as a content network is.
      response.writeHead(302, { location: `http://localhost:${target}/there` }).end();
    });
    const { answer, text } = await get(`http://127.0.0.1:${first}/here`, 'Bearer secret');
    expect(text).toBe('content');
    expect(answer).toMatchObject({ status: 200, url: `http://localhost:${target}/there` });
    expect(seen[0]?.headers.authorization).toBe('Bearer secret');
    expect(seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('ends what is asked for without an end of redirects', async () => {
    const port = await serve((request, response) => {
      response.writeHead(302, { location: `${request.url}x` }).end();
    });
    await expect(get(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
    });
  });
});

it('an answer of another machine that came from this one is not taken', async () => {
  const cancel = vi.fn();
  const client = new HttpClient({
    send: () =>
      Promise.resolve({
        ...{ status: 200, url: 'http://127.0.0.1/', header: () => undefined, cancel },
        body: (async function* () {})(),
      }),
    close: () => Promise.resolve(),
  });
  const getting = client.get('http://example.org/', { signal: new AbortController().signal });
  await expect(getting).rejects.toThrow(/redirected to this machine/);
  expect(cancel).toHaveBeenCalled();
});
