import { createHash } from 'node:crypto';
import { tinyLlamaGguf, tinyLlamaParts } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { HttpClient } from '../../src/http/http-client.js';
import { createNodeTransport } from '../../src/http/node.js';
import { createModelStore } from '../../src/index.js';
import { openRemote } from '../../src/remote/remote-source.js';
import { fileServers } from '../servers/file-server.js';
import { ownHubs } from '../servers/own-hub.js';
import { layerServer } from '../servers/layer-server.js';
import {
  genieFolder,
  mlcFolder,
  qnnFolder,
  rubbish,
  safetensorsFolder,
  writeFolder,
} from '../support/model-folders.js';
import { modelOf } from '../support/quantized-models.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const hubOf = ownHubs(folder);
const serve = fileServers();
const large = modelOf(16);
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** Many short tokens: a header of some megabytes, as those of today's models have. */
const wordy = tinyLlamaGguf({
  metadata: {
    'tokenizer.ggml.merges': Array.from(
      { length: 100_000 },
      (_, index) => `word${index} piece${index}`,
    ),
  },
});

const open = () => createModelStore({ directory: `${folder.path}/store` });

describe('a model that is described before it is pulled', () => {
  it('tells what its header says, and its weights stay where they are', async () => {
    const hub = await hubOf({ 'Tiny-Q8_0.gguf': large, 'README.md': new Uint8Array(10) });
    await using store = open();
    const { description, ...told } = await store.describe('hf:owner/Tiny');
    expect(told).toEqual({
      name: 'owner/Tiny-Q8_0',
      format: 'gguf',
      files: [
        {
          fileName: 'Tiny-Q8_0.gguf',
          role: 'weights',
          fileBytes: large.byteLength,
          sha256: sha256Of(large),
        },
      ],
      origin: {
        reference: 'hf:owner/Tiny',
        revision: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
      },
      fetchedBytes: 131_072,
    });
    const pulled = await store.pull('hf:owner/Tiny');
    expect(description).toEqual(pulled.description);
    const ranges = hub.requests
      .filter(({ server }) => server === 'content')
      .map(({ range }) => range);
    expect(ranges[0]).toBe('bytes=0-131071');
  });

  it('costs 128 KiB of 17 MB on the wire', async () => {
    const hub = await hubOf({ 'Tiny-Q8_0.gguf': large });
    await using store = open();
    await store.describe('hf:owner/Tiny');
    await hub.close();
    expect(large.byteLength).toBeGreaterThan(17_000_000);
    // The range, and the headers of its answer.
    expect(hub.sentBytes).toBeGreaterThanOrEqual(131_072);
    expect(hub.sentBytes).toBeLessThan(132_072);
  });

  it('is read as far as a large vocabulary goes, and hardly further', async () => {
    await hubOf({ 'Wordy.gguf': wordy });
    await using store = open();
    const { fetchedBytes, description } = await store.describe('hf:owner/Tiny');
    expect(description.layers).toBe(2);
    // The weights are 433 kB; the header comes in requests that grow.
    expect(fetchedBytes).toBeLessThanOrEqual(wordy.byteLength);
    expect(fetchedBytes).toBeGreaterThan(wordy.byteLength - 500_000);
  });

  it('is described by all parts of a split one', async () => {
    const parts = tinyLlamaParts(3);
    const names = parts.map((_, index) => `T-0000${index + 1}-of-00003.gguf`);
    await hubOf(Object.fromEntries(parts.map((part, index) => [names[index]!, part])));
    await using store = open();
    const { description, files } = await store.describe('hf:owner/Tiny');
    expect(files.map(({ fileName }) => fileName)).toEqual(names);
    expect(description).toMatchObject({ parameterCount: 108_224, weightBytes: 432_896 });
  });

  it.each([
    ['mlc', mlcFolder(), ['params_shard_0.bin', 'params_shard_1.bin']],
    ['genie', genieFolder(), ['part_1_of_2', 'part_2_of_2']],
    ['qnn-context', qnnFolder(), ['model.bin']],
  ])('of the layout %s costs its configuration alone', async (format, files, weights) => {
    const hub = await hubOf({ ...files, ...rubbish });
    await using store = open();
    const told = await store.describe('hf:owner/Tiny');
    expect(told.format).toBe(format);
    for (const name of weights) {
      expect(hub.requests.filter(({ path }) => path.includes(name))).toEqual([]);
    }
    await using local = createModelStore({ directory: `${folder.path}/local` });
    const path = await writeFolder(`${folder.path}/Tiny`, files);
    expect(told.description).toEqual((await local.add(path)).description);
  });

  it.each([false, true])('of safetensors (in shards: %s) costs their headers', async (split) => {
    const files = safetensorsFolder(split);
    await hubOf({ ...files, ...rubbish });
    await using store = open();
    const told = await store.describe('hf:owner/Tiny');
    expect(told).toMatchObject({ format: 'safetensors', name: 'owner/Tiny' });
    await using local = createModelStore({ directory: `${folder.path}/local` });
    const path = await writeFolder(`${folder.path}/Tiny`, files);
    expect(told.description).toEqual((await local.add(path)).description);
  });

  it('may be at an address, or in a registry', async () => {
    const { url } = await serve(large);
    await using store = open();
    expect(await store.describe(url)).toMatchObject({
      name: 'model',
      fetchedBytes: 131_072,
      description: { layers: 2, trainedContextTokens: 8192 },
    });
    const { host } = await layerServer({ a: [{ kind: 'model', bytes: large }] });
    expect(await store.describe(`ollama:${host}/team/model:a`)).toMatchObject({
      files: [{ fileName: 'model.gguf', fileBytes: large.byteLength }],
      description: { layers: 2 },
    });
  });

  it('is read over connections that are used again', async () => {
    const server = await serve(wordy);
    await using store = open();
    await store.describe(server.url);
    expect(server.ranges.length).toBeGreaterThan(4);
    expect(server.connections).toBeLessThanOrEqual(server.ranges.length / 2);
    expect(server.sentBytes).toBeLessThanOrEqual(wordy.byteLength);
  });

  it('may be on this device', async () => {
    await using store = open();
    const path = await writeFolder(`${folder.path}/Tiny`, genieFolder());
    const { description, fetchedBytes, name } = await store.describe(path);
    expect({ name, fetchedBytes }).toEqual({ name: 'Tiny', fetchedBytes: 0 });
    expect(description).toEqual((await store.add(path)).description);
    expect(await store.list()).toHaveLength(1);
  });
});

describe('a server that answers a range with the whole file', () => {
  it('is left once the header is there', async () => {
    const bytes = modelOf(64);
    const hub = await hubOf({ 'Tiny-Q8_0.gguf': bytes }, { ignoresRanges: true });
    await using store = open();
    const { fetchedBytes, description } = await store.describe('hf:owner/Tiny');
    expect(description.layers).toBe(2);
    await hub.close();
    // What is under way when it is left stays in the buffers of both ends.
    expect(fetchedBytes).toBeLessThan(2 ** 20);
    expect(hub.sentBytes).toBeLessThan(bytes.byteLength / 4);
  });

  it.each([false, true])(
    'is read no further than a header may be long (%s)',
    async (ignoresRanges) => {
      const hub = await hubOf({ 'Tiny-Q8_0.gguf': longHeader(80 * 2 ** 20) }, { ignoresRanges });
      await using store = open();
      await expect(store.describe('hf:owner/Tiny')).rejects.toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringMatching(
          /longer than the 67 MB that are read over the network/,
        ) as string,
      });
      await store.close();
      await hub.close();
      expect(hub.sentBytes).toBeLessThan(32 * 2 ** 20);
    },
  );
});

/** A GGUF header with an array of so many bytes before its second entry. */
function longHeader(bytes: number): Uint8Array {
  const file = new Uint8Array(bytes + 100);
  const view = new DataView(file.buffer);
  let at = 0;
  const u32 = (value: number) => view.setUint32((at += 4) - 4, value, true);
  const u64 = (value: number) => view.setBigUint64((at += 8) - 8, BigInt(value), true);
  const key = (letter: string) => {
    u64(1);
    file[at++] = letter.charCodeAt(0);
  };
  const types = { uint8: 0, uint32: 4, array: 9 };
  u32(0x46554747);
  u32(3);
  u64(0);
  u64(2);
  key('a');
  u32(types.array);
  u32(types.uint8);
  u64(bytes);
  at += bytes;
  key('b');
  u32(types.uint32);
  return file;
}

describe('a server that answers badly', () => {
  it.each([
    [
      'with another size than it lists',
      { 'content-range': 'bytes 0-65535/70000' },
      'INTEGRITY_FAILED',
    ],
    [
      'with another range',
      { 'content-range': `bytes 5-65540/${large.byteLength}` },
      'NETWORK_FAILED',
    ],
    ['with no size', { 'content-range': 'bytes 0-65535/*' }, 'NETWORK_FAILED'],
  ])('%s is refused', async (_, headers, code) => {
    const server = await serve(large, (_, response) => {
      response.writeHead(206, headers);
      response.end(large.subarray(0, 65_536));
      return true;
    });
    const client = new HttpClient(createNodeTransport());
    const { signal } = new AbortController();
    const source = await openRemote({ url: server.url }, large.byteLength, { client, signal });
    await expect(source.read(0, 10)).rejects.toMatchObject({ code });
    await client.close();
  });

  it('is asked again after it broke off', async () => {
    let broken = 0;
    const server = await serve(large, (_, response, number) => {
      if (number > 0) return false;
      broken++;
      response.writeHead(206, {
        'content-length': 65_536,
        'content-range': `bytes 0-65535/${large.byteLength}`,
      });
      response.write(large.subarray(0, 1000));
      setImmediate(() => response.destroy());
      return true;
    });
    await using store = open();
    expect(await store.describe(server.url)).toMatchObject({ description: { layers: 2 } });
    expect(broken).toBeGreaterThan(0);
  });

  it('is given up when the caller does', async () => {
    const aborting = new AbortController();
    const reason = new Error('enough');
    const server = await serve(large, () => {
      aborting.abort(reason);
      return true;
    });
    await using store = open();
    await expect(store.describe(server.url, { signal: aborting.signal })).rejects.toBe(reason);
  });
});
