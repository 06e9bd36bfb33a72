import { createHash } from 'node:crypto';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { fileServers } from '../servers/file-server.js';
import { proxyServers } from '../servers/proxy-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const startProxy = proxyServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');

beforeEach(() => {
  // Those of whoever runs the tests.
  for (const name of ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy']) {
    vi.stubEnv(name, undefined);
    vi.stubEnv(name.toUpperCase(), undefined);
  }
});
afterEach(() => vi.unstubAllEnvs());

/** Pulls the model with some settings of proxies. */
async function pull(environment: Record<string, string>) {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const server = await serve(model);
  await using store = createModelStore({ directory: `${folder.path}/store` });
  const pulled = await store.pull(`${server.url}#sha256=${sha256}`);
  expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  return server;
}

describe('a proxy', () => {
  it.each(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY'])('of %s makes the tunnel', async (name) => {
    const proxy = await startProxy();
    const server = await pull({ [name]: `http://${proxy.host}` });
    const to = new URL(server.url).host;
    expect(proxy.tunnels.length).toBeGreaterThan(0);
    expect(new Set(proxy.tunnels.map((tunnel) => tunnel.to))).toEqual(new Set([to]));
  });

  it('gets its credentials', async () => {
    const proxy = await startProxy('me:pass@word');
    await pull({ HTTP_PROXY: `http://me:pass%40word@${proxy.host}` });
    expect(proxy.tunnels[0]).toMatchObject({ credentials: 'me:pass@word' });
  });

  it.each(['127.0.0.1', '*', 'example.org,127.0.0.1'])(
    'is left out for hosts of NO_PROXY=%s',
    async (hosts) => {
      const proxy = await startProxy();
      await pull({ HTTP_PROXY: `http://${proxy.host}`, NO_PROXY: hosts });
      expect(proxy.tunnels).toEqual([]);
    },
  );

  it('is not that of https for http', async () => {
    const proxy = await startProxy();
    await pull({ HTTPS_PROXY: `http://${proxy.host}` });
    expect(proxy.tunnels).toEqual([]);
  });

  it('that refuses is told, at once', async () => {
    const proxy = await startProxy('me:secret');
    const pulling = pull({ HTTP_PROXY: `http://me:wrong@${proxy.host}` });
    await expect(pulling).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      retryable: false,
      message: expect.stringMatching(/proxy/i) as unknown,
    });
    // Nothing of the credentials is told.
    await expect(pulling).rejects.not.toThrow(/wrong/);
    expect(proxy.tunnels).toHaveLength(1);
  });

  it.each(['socks5://127.0.0.1:1', 'http://'])('that is none, %s, is told', async (uri) => {
    await expect(pull({ HTTP_PROXY: uri })).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      retryable: false,
      message: expect.stringContaining('HTTP_PROXY') as unknown,
    });
  });
});
