import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { withoutLinks } from '../faulty-file-system.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { layerServer } from '../servers/layer-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const text = (words: string) => new TextEncoder().encode(words);
const digestOf = (bytes: Uint8Array) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const weights = { kind: 'model', bytes: tinyLlamaGguf({ seed: 1 }) };

describe('a model of several layers', () => {
  it.each([
    ['has second names', nodeFileSystem],
    ['has none', withoutLinks(nodeFileSystem)],
  ])('may have two of one content, on a file system that %s', async (_, fileSystem) => {
    const licence = { kind: 'license', bytes: text('MIT') };
    const { host, asked } = await layerServer({ a: [weights, licence, licence] });
    await using store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
    const pulled = await store.pull(`ollama:${host}/team/model:a`);
    expect(pulled.files.files.map(({ path }) => path.split('/').pop())).toEqual([
      'model.gguf',
      'license.txt',
      'license-2.txt',
    ]);
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
    expect(asked).toHaveLength(2);
  });

  it.each(['projector', 'adapter', 'model'])(
    'is refused with a %s that is no GGUF file, and nothing of it is kept',
    async (kind) => {
      const broken = { kind, bytes: text('<html>') };
      const { host } = await layerServer({ a: [weights, broken] });
      await using store = createModelStore({ directory: `${folder.path}/store` });
      const pulling = store.pull(`ollama:${host}/team/model:a`);
      await expect(pulling).rejects.toMatchObject({ code: 'MODEL_INVALID' });
      expect(await store.list()).toEqual([]);
      const left = await readdir(`${folder.path}/store/downloads`, { recursive: true });
      expect(left.filter((name) => name.includes('content'))).toEqual([]);
    },
  );

  it('may have an empty one, and is found again', async () => {
    const { host } = await layerServer({ a: [weights, { kind: 'system', bytes: text('') }] });
    await using store = createModelStore({ directory: `${folder.path}/store` });
    const pulled = await store.pull(`ollama:${host}/team/model:a`);
    expect(await store.resolve(pulled.name)).toEqual(pulled);
    expect(await readFile(pulled.files.files[1]!.path, 'utf8')).toBe('');
  });

  it('is refused before it comes where its name is taken', async () => {
    const other = { kind: 'model', bytes: tinyLlamaGguf({ seed: 2 }) };
    const { host, asked } = await layerServer({ a: [weights], b: [other] });
    await using store = createModelStore({ directory: `${folder.path}/store` });
    await store.pull(`ollama:${host}/team/model:a`, { name: 'mine' });
    const again = store.pull(`ollama:${host}/team/model:b`, { name: 'mine' });
    await expect(again).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
    expect(asked).toEqual([digestOf(weights.bytes)]);
  });

  it('does not wait for ever for one that shares two with it, in another order', async () => {
    const one = { kind: 'template', bytes: textWithLateDigest('one') };
    const two = { kind: 'license', bytes: textWithLateDigest('two') };
    const first = { kind: 'model', bytes: tinyLlamaGguf({ seed: 3 }) };
    const second = { kind: 'model', bytes: tinyLlamaGguf({ seed: 4 }) };
    const own = [first, second].map(({ bytes }) => digestOf(bytes));
    let letGo: () => void = () => undefined;
    const bothAsked = new Promise<void>((resolve) => (letGo = resolve));
    const server = await layerServer({ a: [first, one, two], b: [second, two, one] }, (digest) => {
      // Both come to what they share at the same time.
      if (own.every((wanted) => server.asked.includes(wanted))) letGo();
      return own.includes(digest) ? bothAsked : Promise.resolve();
    });
    const directory = `${folder.path}/store`;
    await using storeOfA = createModelStore({ directory });
    await using storeOfB = createModelStore({ directory });
    const [a, b] = await Promise.all([
      storeOfA.pull(`ollama:${server.host}/team/model:a`),
      storeOfB.pull(`ollama:${server.host}/team/model:b`),
    ]);
    expect(await storeOfA.verify(a.name)).toMatchObject({ ok: true });
    expect(await storeOfA.verify(b.name)).toMatchObject({ ok: true });
  });
});

/** A text whose digest comes behind those of the models here. */
function textWithLateDigest(word: string): Uint8Array {
  for (let number = 0; ; number++) {
    const bytes = text(`${word} ${number}`);
    if (digestOf(bytes).startsWith('sha256:ff')) return bytes;
  }
}
