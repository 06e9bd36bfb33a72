import { createHash } from 'node:crypto';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { commitOf, hubServers, type HubRepository, type HubServer } from '../servers/hub-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const start = hubServers();
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const sha256 = createHash('sha256').update(model).digest('hex');
const repository: HubRepository = {
  id: 'owner/Tiny-GGUF',
  files: {
    'README.md': new TextEncoder().encode('# Tiny'),
    'Tiny-Q4_K_M.gguf': model,
    'Tiny-Q8_0.gguf': other,
    'F16/Tiny F16.gguf': other,
  },
};

beforeEach(() => {
  vi.stubEnv('HF_HOME', folder.path);
  vi.stubEnv('HF_TOKEN', undefined);
});
afterEach(() => void vi.unstubAllEnvs());

function openStore(hub: HubServer) {
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  return createModelStore({ directory: `${folder.path}/store` });
}

describe('a model of a Hugging Face hub', () => {
  it('is pulled at a commit, by the usual quantization', async () => {
    const hub = await start([repository]);
    await using store = openStore(hub);
    const pulled = await store.pull('hf:owner/Tiny-GGUF');
    expect(pulled).toMatchObject({
      name: 'owner/Tiny-Q4_K_M',
      origin: { reference: 'hf:owner/Tiny-GGUF', revision: commitOf(repository) },
      files: { files: [{ role: 'weights', sha256 }] },
    });
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it.each([
    ['hf:owner/Tiny-GGUF:Q8_0', 'owner/Tiny-Q8_0'],
    ['hf:owner/Tiny-GGUF:q8_0', 'owner/Tiny-Q8_0'],
    ['hf:owner/Tiny-GGUF@main:Tiny-Q4_K_M.gguf', 'owner/Tiny-Q4_K_M'],
    ['hf:owner/Tiny-GGUF:F16', 'owner/Tiny F16'],
    ['hf:owner/Tiny-GGUF:F16/Tiny F16.gguf', 'owner/Tiny F16'],
  ])('%s is %s', async (reference, name) => {
    const hub = await start([repository]);
    await using store = openStore(hub);
    expect(await store.pull(reference)).toMatchObject({ name });
  });

  it('is found among ten thousand files, with names in any script', async () => {
    const crowd = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [
        `${['模型', 'модель', 'نموذج', '\u{1f600}'][index % 4]}/${index}.bin`,
        new Uint8Array(),
      ]),
    );
    const files = { ...crowd, '模型/小さな-Q4_K_M.gguf': model };
    const hub = await start([{ id: 'owner/crowd', files }], { pageSize: 1000 });
    await using store = openStore(hub);
    const pulled = await store.pull('hf:owner/crowd');
    expect(pulled.files.files).toMatchObject([{ sha256 }]);
    expect(pulled.name).toBe('owner/小さな-Q4_K_M');
    expect(await store.resolve(pulled.name)).toEqual(pulled);
  });

  it('is not fetched twice', async () => {
    const hub = await start([repository]);
    await using store = openStore(hub);
    await store.pull('hf:owner/Tiny-GGUF');
    await store.pull('hf:owner/Tiny-GGUF');
    const ranges = hub.requests.filter(({ server }) => server === 'content');
    expect(ranges).toHaveLength(1);
  });

  it('comes over several pages of files', async () => {
    const hub = await start([repository], { pageSize: 1 });
    await using store = openStore(hub);
    expect(await store.pull('hf:owner/Tiny-GGUF:Q8_0')).toMatchObject({ name: 'owner/Tiny-Q8_0' });
  });

  it('the token goes to the hub and nowhere else', async () => {
    const hub = await start([{ ...repository, token: 'secret' }]);
    vi.stubEnv('HF_TOKEN', 'secret\n');
    await using store = openStore(hub);
    await store.pull('hf:owner/Tiny-GGUF');
    const of = (server: string) =>
      new Set(hub.requests.filter((it) => it.server === server).map((it) => it.authorization));
    expect(of('hub')).toEqual(new Set(['Bearer secret']));
    expect(of('content')).toEqual(new Set([undefined]));
  });

  it('the token of the login is used, also beside an empty HF_TOKEN', async () => {
    vi.stubEnv('HF_TOKEN', '');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(`${folder.path}/token`, 'secret');
    const hub = await start([{ ...repository, token: 'secret' }]);
    await using store = openStore(hub);
    expect(await store.pull('hf:owner/Tiny-GGUF')).toMatchObject({ name: 'owner/Tiny-Q4_K_M' });
  });

  it('a signed address that has expired is asked for anew', async () => {
    const hub = await start([repository], { signedUses: 1 });
    await using store = openStore(hub);
    const large = await store.pull('hf:owner/Tiny-GGUF', { connections: 1 });
    expect(large.files.files[0]?.sha256).toBe(sha256);
  });

  it.each([
    ['hf:owner/Tiny-GGUF:Q2_K', 'MODEL_NOT_FOUND', /It has F16, Q4_K_M, Q8_0/],
    ['hf:owner/Tiny-GGUF@v9', 'MODEL_NOT_FOUND', /no branch, tag or commit "v9"/],
    ['hf:owner/Other', 'MODEL_NOT_FOUND', /or it is private.*set HF_TOKEN/],
    ['hf:owner/Gated', 'ACCESS_DENIED', /Accept it at http.*owner\/Gated/],
    ['hf:owner/Text', 'MODEL_NOT_FOUND', /has no GGUF file/],
  ])('%s fails with %s', async (reference, code, sentence) => {
    const hub = await start([
      repository,
      { id: 'owner/Gated', files: { 'a.gguf': model }, gated: true },
      { id: 'owner/Text', files: { 'a.txt': new Uint8Array(3) } },
    ]);
    await using store = openStore(hub);
    const failing = store.pull(reference);
    await expect(failing).rejects.toMatchObject({ code });
    await expect(failing).rejects.toThrow(sentence);
  });

  it('nothing is asked of a hub while HF_HUB_OFFLINE is set', async () => {
    const hub = await start([repository]);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await using store = openStore(hub);
    await expect(store.pull('hf:owner/Tiny-GGUF')).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
    });
    expect(hub.requests).toEqual([]);
  });
});
