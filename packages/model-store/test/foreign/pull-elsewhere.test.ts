import { readFile, rm, stat } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { withoutLinks } from '../faulty-file-system.js';
import { noHubClient, runHubClient } from '../servers/hub-client.js';
import { commitOf, hubServers, type HubRepository } from '../servers/hub-server.js';
import { layerServer } from '../servers/layer-server.js';
import { noRegistry, registryServer } from '../servers/registry-server.js';
import { temporaryFolder } from '../temporary-folder.js';
import { useHome } from './home.js';
import { hashOf, put, putOllamaModel, text } from './ollama-folder.js';

const folder = temporaryFolder();
useHome(folder);
const startHub = hubServers();
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const repository: HubRepository = { id: 'owner/Tiny-GGUF', files: { 'Tiny-Q8_0.gguf': model } };
const models = () => `${folder.path}/.ollama/models`;
const blobOf = (bytes: Uint8Array) => `${models()}/blobs/sha256-${hashOf(bytes)}`;
const open = (fileSystem = nodeFileSystem) =>
  createModelStore({ directory: `${folder.path}/store`, fileSystem });
const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size;

/** A hub with the repository, and how many files were asked of it. */
async function hubWith(one = repository) {
  const hub = await startHub([one]);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  return { hub, asked: () => hub.requests.filter(({ path }) => path.includes('/resolve/')).length };
}

describe('a pull of what an app on this device has', () => {
  it('from a hub is linked from Ollama by its content, and downloads nothing', async () => {
    const { hub, asked } = await hubWith();
    await putOllamaModel(models(), 'registry.ollama.ai/library/x/latest', [
      { kind: 'model', bytes: model },
    ]);
    await using store = open();
    const pulled = await store.pull('hf:owner/Tiny-GGUF');
    expect(pulled).toMatchObject({
      name: 'owner/Tiny-Q8_0',
      ownership: 'linked',
      app: 'ollama',
      origin: { reference: 'hf:owner/Tiny-GGUF', revision: commitOf(repository) },
      files: { files: [{ path: blobOf(model), sha256: hashOf(model) }] },
    });
    expect(asked()).toBe(0);
    expect(await store.pull('hf:owner/Tiny-GGUF')).toEqual(pulled);
    expect(hub.requests.length).toBeGreaterThan(0);
    await store.remove(pulled.name);
    expect(await sizeOf(blobOf(model))).toBe(model.byteLength);
  });

  it('comes from LM Studio, whose names tell nothing, once it was read', async () => {
    const { asked } = await hubWith();
    const path = `${folder.path}/.lmstudio/models/o/r/Tiny-Q8_0.gguf`;
    await put(`${folder.path}/.lmstudio/models/o/r/False-Q8_0.gguf`, other);
    await put(path, model);
    await using store = open();
    const phases = new Set<string>();
    const onProgress = ({ phase }: { phase: string }) => phases.add(phase);
    const pulled = await store.pull('hf:owner/Tiny-GGUF', { onProgress });
    expect(pulled).toMatchObject({ app: 'lm-studio', files: { files: [{ path }] } });
    expect([...phases]).toContain('hashing');
    expect(asked()).toBe(0);
  });

  it.each([
    ['a second name', nodeFileSystem],
    ['a copy', withoutLinks(nodeFileSystem)],
  ])('is taken in as %s where that is asked for, and the app keeps its own', async (_, fs) => {
    const { asked } = await hubWith();
    await putOllamaModel(models(), 'registry.ollama.ai/library/x/latest', [
      { kind: 'model', bytes: model },
    ]);
    await using store = open(fs);
    const pulled = await store.pull('hf:owner/Tiny-GGUF', { placement: 'move' });
    expect([pulled.ownership, pulled.app]).toEqual(['owned', undefined]);
    expect(asked()).toBe(0);
    expect(hashOf(await readFile(blobOf(model)))).toBe(hashOf(model));
    await store.remove(pulled.name);
    expect(hashOf(await readFile(blobOf(model)))).toBe(hashOf(model));
  });

  it('is not used where the store has files of its own with that content', async () => {
    const { asked } = await hubWith();
    await using store = open();
    const own = await store.pull('hf:owner/Tiny-GGUF');
    expect(own.ownership).toBe('owned');
    await put(blobOf(model), model);
    const before = asked();
    const second = await store.pull('hf:owner/Tiny-GGUF', { name: 'second' });
    expect(second.ownership).toBe('owned');
    expect(asked()).toBe(before);
  });

  it('is used without the licence that the app lacks, and pulled again when the app deletes it', async () => {
    const license = text('Apache License');
    const { host, asked } = await layerServer({
      latest: [
        { kind: 'model', bytes: model },
        { kind: 'license', bytes: license },
        { kind: 'system', bytes: text('You are kind.') },
      ],
    });
    await putOllamaModel(models(), 'registry.ollama.ai/library/x/latest', [
      { kind: 'model', bytes: model },
      { kind: 'system', bytes: text('You are kind.') },
    ]);
    await using store = open();
    const reference = `ollama:${host}/library/tiny`;
    const linked = await store.pull(reference);
    expect(linked.files.files.map(({ role }) => role)).toEqual(['weights', 'config']);
    expect(await store.pull(reference)).toEqual(linked);
    expect(asked).toEqual([]);
    await rm(blobOf(text('You are kind.')));
    await expect(store.resolve(linked.name)).rejects.toThrow(`or pull "${reference}:latest"`);
    const owned = await store.pull(reference);
    expect(owned).toMatchObject({ name: linked.name, ownership: 'owned' });
    expect(owned.files.files.map(({ role }) => role)).toEqual(['weights', 'license', 'config']);
    expect(await store.verify(owned.name)).toMatchObject({ ok: true });
    // What was left of it there is Ollama's, though no record names it any more.
    expect(await sizeOf(blobOf(model))).toBe(model.byteLength);
    expect(asked).toHaveLength(2);
  });

  it('is taken in later when that is asked for, and its owner keeps it', async () => {
    const { asked } = await hubWith();
    await put(blobOf(model), model);
    const path = await put(`${folder.path}/mine.gguf`, model);
    await using store = open();
    await store.add(path, { name: 'mine' });
    for (const name of ['theirs', 'mine']) {
      await store.pull('hf:owner/Tiny-GGUF', { name });
      const own = await store.pull('hf:owner/Tiny-GGUF', { name, placement: 'move' });
      expect(own.ownership).toBe('owned');
    }
    expect(asked()).toBe(0);
    expect(await sizeOf(blobOf(model))).toBe(model.byteLength);
    expect(await sizeOf(path)).toBe(model.byteLength);
    await store.remove('mine');
    expect(await sizeOf(path)).toBe(model.byteLength);
  });

  it('is downloaded where the app has other content under that name', async () => {
    const { asked } = await hubWith();
    // Of the right size, with a header that is sound, and still another.
    await put(blobOf(model), other);
    await using store = open();
    const linked = await store.pull('hf:owner/Tiny-GGUF');
    expect(await store.verify(linked.name)).toMatchObject({ ok: false });
    await store.remove(linked.name);
    const owned = await store.pull('hf:owner/Tiny-GGUF', { placement: 'move' });
    expect(asked()).toBeGreaterThan(0);
    expect(await store.verify(owned.name)).toMatchObject({ ok: true });
    expect(hashOf(await readFile(blobOf(model)))).toBe(hashOf(other));
  });

  it('that is damaged there is downloaded', async () => {
    const { asked } = await hubWith();
    await put(blobOf(model), new Uint8Array(model.byteLength));
    await using store = open();
    const pulled = await store.pull('hf:owner/Tiny-GGUF');
    expect(asked()).toBeGreaterThan(0);
    expect(pulled.ownership).toBe('owned');
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });
});

describe('without a network', () => {
  it('a model of Ollama is linked by its reference', async () => {
    const host = '127.0.0.1:9';
    await putOllamaModel(models(), `${host}/library/tiny/latest`, [
      { kind: 'model', bytes: model },
    ]);
    await using store = open();
    expect(await store.pull(`ollama:${host}/library/tiny`)).toMatchObject({
      name: `${host}/library/tiny:latest`,
      app: 'ollama',
      ownership: 'linked',
    });
    await expect(store.pull(`ollama:${host}/library/none`)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
    });
  });

  it('or when HF_HUB_OFFLINE says so, one of the cache', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const cached = `${folder.path}/.cache/huggingface/hub/models--owner--Tiny`;
    await put(`${cached}/snapshots/${'a'.repeat(40)}/Tiny-Q8_0.gguf`, model);
    await put(`${cached}/refs/main`, 'a'.repeat(40));
    await using store = open();
    const pulled = await store.pull('hf:owner/Tiny', { placement: 'move' });
    expect([pulled.ownership, pulled.name]).toEqual(['owned', 'owner/Tiny-Q8_0']);
    await expect(store.pull('hf:owner/None')).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
  });
});

describe.skipIf(noRegistry)(`a registry${noRegistry ? ` (${noRegistry})` : ''}`, () => {
  const registry = registryServer();

  it('is asked for nothing but the manifest of what Ollama has', async () => {
    const layers = [
      { kind: 'model', bytes: model },
      { kind: 'template', bytes: text('{{ .Prompt }}') },
    ];
    await registry.push('library/tiny', 'latest', layers);
    await putOllamaModel(models(), 'registry.ollama.ai/library/other/latest', layers);
    await using store = open();
    const pulled = await store.pull(`ollama:${registry.host}/library/tiny`);
    expect(pulled).toMatchObject({ app: 'ollama', files: { files: [{}, { role: 'config' }] } });
    expect(pulled.files.files.map(({ path }) => path)).toEqual(
      layers.map(({ bytes }) => blobOf(bytes)),
    );
  });

  it('gives what Ollama lacks, and the rest is taken from there', async () => {
    const system = text('You are kind.');
    await registry.push('library/kind', 'latest', [
      { kind: 'model', bytes: model },
      { kind: 'system', bytes: system },
    ]);
    await putOllamaModel(models(), 'registry.ollama.ai/library/other/latest', [
      { kind: 'model', bytes: model },
    ]);
    await using store = open();
    const pulled = await store.pull(`ollama:${registry.host}/library/kind`);
    expect(pulled.ownership).toBe('owned');
    const [weights, words] = pulled.files.files.map(({ path }) => path);
    expect((await stat(weights!)).ino).toBe((await stat(blobOf(model))).ino);
    expect(await readFile(words!, 'utf8')).toBe('You are kind.');
    await store.remove(pulled.name);
    expect(await sizeOf(blobOf(model))).toBe(model.byteLength);
  });
});

describe.skipIf(noHubClient)(
  `the cache of huggingface_hub${noHubClient ? ` (${noHubClient})` : ''}`,
  () => {
    it('is found, and used by a pull without a download', async () => {
      const { hub, asked } = await hubWith();
      vi.stubEnv('HF_HOME', folder.path);
      const path = await runHubClient(
        `from huggingface_hub import hf_hub_download
print(hf_hub_download("owner/Tiny-GGUF", "Tiny-Q8_0.gguf"))`,
        { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path },
      );
      await using store = open();
      const commit = commitOf(repository);
      expect(await store.discover()).toMatchObject([
        {
          app: 'hugging-face',
          name: 'owner/Tiny-GGUF/Tiny-Q8_0',
          reference: `hf:owner/Tiny-GGUF@${commit}:Tiny-Q8_0.gguf`,
          files: { files: [{ path, sha256: hashOf(model) }] },
        },
      ]);
      const before = asked();
      const pulled = await store.pull('hf:owner/Tiny-GGUF');
      expect(pulled).toMatchObject({ app: 'hugging-face', files: { files: [{ path }] } });
      expect(asked()).toBe(before);
      expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
      await rm(path);
      await expect(store.resolve(pulled.name)).rejects.toThrow(
        /The Hugging Face cache has no file .* Get it there again \("hf download owner\/Tiny-GGUF"\)/,
      );
    });
  },
);
