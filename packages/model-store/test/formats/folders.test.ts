import { appendFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf, tinyLlamaParts, writeGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { withoutLinks } from '../faulty-file-system.js';
import {
  genieFolder,
  json,
  mlcFolder,
  qnnFolder,
  rubbish,
  safetensorsFolder,
  sumOf,
  writeFolder,
  type Folder,
} from '../support/model-folders.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const open = () => createModelStore({ directory: `${folder.path}/store` });

const llama = {
  layers: 2,
  embeddingLength: 64,
  attentionHeads: 4,
  kvHeads: 2,
  keyLength: 16,
  valueLength: 16,
  feedForwardLength: 128,
};
const bf16 = 2 * (300 * 64 + 128 * 64) + 4 * 64;
const ofSafetensors = {
  ...llama,
  architecture: 'llama',
  parameterCount: 300 * 64 + 128 * 64 + 64,
  weightBytes: bf16,
  quantization: 'BF16',
  vocabularySize: 300,
  tiedEmbedding: { bytes: 300 * 64 * 2, type: 'BF16' },
  trainedContextTokens: 2048,
  chatTemplate: '{{ messages }}',
};
const layouts = {
  mlc: {
    files: mlcFolder(),
    format: 'mlc',
    roles: {
      'mlc-chat-config.json': 'weights',
      'params_shard_0.bin': 'weights',
      'params_shard_1.bin': 'weights',
      'tensor-cache.json': 'config',
      'tokenizer.json': 'tokenizer',
      'vocab.json': 'tokenizer',
      'tokenizer_config.json': 'tokenizer',
    },
    description: {
      ...llama,
      architecture: 'qwen2',
      parameterCount: 2 * (12 * 16 * 64 + 3 * 64 * 128 + 2 * 64) + 300 * 64 + 64,
      weightBytes: 4500,
      quantization: 'q4f16_1',
      vocabularySize: 300,
      trainedContextTokens: 4096,
      chatTemplate: '{{ messages }}',
    },
  },
  genie: {
    files: genieFolder(),
    format: 'genie',
    roles: {
      'genie_config.json': 'weights',
      'bin/tiny_w4a16_part_1_of_2.bin': 'weights',
      'bin/tiny_w4a16_part_2_of_2.bin': 'weights',
      'tokenizer.json': 'tokenizer',
      'htp_backend_ext_config.json': 'config',
    },
    description: {
      architecture: 'unknown',
      weightBytes: 6500,
      quantization: 'w4a16',
      keyLength: 128,
      valueLength: 128,
      vocabularySize: 128256,
      trainedContextTokens: 4096,
    },
  },
  'compiled for QNN': {
    files: qnnFolder(),
    format: 'qnn-context',
    roles: {
      'qnn-model.json': 'weights',
      'model.bin': 'weights',
      'tokenizer.json': 'tokenizer',
      'tokenizer_config.json': 'tokenizer',
    },
    description: {
      ...llama,
      architecture: 'llama',
      name: 'Tiny Llama',
      parameterCount: 100_000,
      weightBytes: 1000,
      quantization: 'F16',
      vocabularySize: 267,
      trainedContextTokens: 512,
      chatTemplate: '{{ messages }}',
    },
  },
  safetensors: {
    files: safetensorsFolder(),
    format: 'safetensors',
    roles: {
      'config.json': 'weights',
      'model.safetensors': 'weights',
      LICENSE: 'license',
      'tokenizer.json': 'tokenizer',
      'tokenizer_config.json': 'tokenizer',
    },
    description: ofSafetensors,
  },
  'safetensors in shards': {
    files: safetensorsFolder(true),
    format: 'safetensors',
    roles: {
      'config.json': 'weights',
      'model-00001-of-00002.safetensors': 'weights',
      'more/model-00002-of-00002.safetensors': 'weights',
      'model.safetensors.index.json': 'config',
      LICENSE: 'license',
      'tokenizer.json': 'tokenizer',
      'tokenizer_config.json': 'tokenizer',
    },
    description: ofSafetensors,
  },
} as const;

describe.each(Object.entries(layouts))(
  'a folder: %s',
  (_, { files, format, roles, description }) => {
    const content: Folder = files;
    const all = { ...content, ...rubbish };

    it.each(['now', 'later'] as const)('is linked where it lies, hashed %s', async (hash) => {
      const path = await writeFolder(`${folder.path}/Tiny`, all);
      await using store = open();
      const model = await store.add(path, { hash });
      expect(model).toMatchObject({
        name: 'Tiny',
        ownership: 'linked',
        files: { format, name: 'Tiny' },
      });
      expect(model.description).toEqual(description);
      const rowsOf = ({ files: { files: found } }: typeof model) =>
        found.map(({ path: file, role, fileBytes, sha256 }) => {
          return [file.slice(path.length + 1), role, fileBytes, sha256];
        });
      const expected = (hashed: boolean) =>
        Object.entries(roles).map(([name, role]) => {
          const bytes = content[name]!;
          return [name, role, bytes.byteLength, hashed ? sumOf('sha256', bytes) : undefined];
        });
      expect(rowsOf(model)).toEqual(expected(hash === 'now'));
      expect(await store.list()).toEqual([model]);
      expect(await store.resolve('Tiny')).toEqual(model);
      expect(await store.verify('Tiny')).toMatchObject({ ok: true });
      const verified = await store.add(path);
      expect(verified.addedAt).toBe(model.addedAt);
      expect(rowsOf(verified)).toEqual(expected(true));
      await store.remove('Tiny');
      expect(await readdir(path)).toHaveLength(
        new Set(Object.keys(all).map((name) => name.split('/')[0])).size,
      );
    });

    it.each([
      ['with second names', nodeFileSystem],
      ['without second names', withoutLinks(nodeFileSystem)],
    ])('is taken in whole, on a file system %s', async (_, fileSystem) => {
      const path = await writeFolder(`${folder.path}/Tiny`, content);
      await using store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
      const model = await store.add(path, { placement: 'move' });
      const [entry] = model.files.files;
      const root = entry!.path.slice(0, entry!.path.lastIndexOf('/'));
      expect(root.startsWith(`${folder.path}/store/models/tiny-`)).toBe(true);
      expect(model.files.files.map(({ path: file }) => file.slice(root.length + 1))).toEqual(
        Object.keys(roles),
      );
      // Nothing is left of the folder that it came from.
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
      await store.close();
      await using again = open();
      expect(await again.resolve('Tiny')).toEqual(model);
      expect(await again.verify('Tiny')).toMatchObject({ ok: true });
      await again.remove('Tiny');
      expect(await readdir(`${folder.path}/store/models`)).toEqual([]);
    });

    it('is found changed when a file of it was, and refused when one has gone', async () => {
      const path = await writeFolder(`${folder.path}/Tiny`, content);
      await using store = open();
      const model = await store.add(path);
      const last = model.files.files[1]!;
      const bytes = new Uint8Array(content[last.path.slice(path.length + 1)]!);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(last.path, bytes);
      const { ok, files: rows } = await store.verify('Tiny');
      expect(ok).toBe(false);
      expect(rows.filter(({ state }) => state === 'changed')).toMatchObject([{ path: last.path }]);
      await appendFile(last.path, 'more');
      await expect(store.resolve('Tiny')).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
      await rm(last.path);
      await expect(store.resolve('Tiny')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      await expect(store.add(path, { name: 'again' })).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
        message: expect.stringMatching(/names it|without a model that is known/) as string,
      });
    });
  },
);

describe('a folder', () => {
  it('of MLC may have the index of former years, and a library', async () => {
    const files = { ...mlcFolder('ndarray-cache.json'), 'model.so': json({}), 'lib.tar': json(1) };
    await using store = open();
    const model = await store.add(await writeFolder(`${folder.path}/Old`, files));
    const of = (role: string) =>
      model.files.files
        .filter((file) => file.role === role)
        .map(({ path }) => path.split('/').pop());
    expect(of('config')).toEqual(['ndarray-cache.json']);
    expect(of('library')).toEqual(['model.so', 'lib.tar']);
  });

  it('of MLC is not added when a shard has another md5', async () => {
    const files = { ...mlcFolder(), 'params_shard_1.bin': new Uint8Array(1500) };
    await using store = open();
    const path = await writeFolder(`${folder.path}/Bad`, files);
    await expect(store.add(path, { hash: 'now' })).rejects.toMatchObject({
      code: 'INTEGRITY_FAILED',
      message: expect.stringMatching(/params_shard_1\.bin" does not have the md5/) as string,
    });
    expect(await store.list()).toEqual([]);
  });

  it('compiled for QNN is not added when its binary has another sha256', async () => {
    const files = { ...qnnFolder(), 'model.bin': new Uint8Array(1000) };
    await using store = open();
    const path = await writeFolder(`${folder.path}/Bad`, files);
    await expect(store.add(path, { hash: 'now' })).rejects.toMatchObject({
      code: 'INTEGRITY_FAILED',
      message: expect.stringMatching(/does not have the sha256/) as string,
    });
  });

  it.each([
    ['MLC', { ...mlcFolder(), 'params_shard_1.bin': new Uint8Array(1500) }, 'params_shard_1.bin'],
    ['a compiler for QNN', { ...qnnFolder(), 'model.bin': new Uint8Array(1000) }, 'model.bin'],
  ])(
    'of %s whose index says another sum is found changed by each verify',
    async (_, files, bad) => {
      await using store = open();
      const path = await writeFolder(`${folder.path}/Bad`, files);
      await store.add(path);
      await store.add(path, { name: 'again' });
      for (let time = 0; time < 2; time++) {
        const { models } = await store.verifyAll();
        expect(
          models.map(({ report }) => report?.files.filter(({ state }) => state === 'changed')),
        ).toMatchObject([[{ path: `${path}/${bad}` }], [{ path: `${path}/${bad}` }]]);
      }
    },
  );

  it('may consist of links, as that of a cache does', async () => {
    const { mkdir } = await import('node:fs/promises');
    const blobs = await writeFolder(`${folder.path}/blobs`, safetensorsFolder());
    await mkdir(`${folder.path}/snapshot`);
    for (const name of Object.keys(safetensorsFolder())) {
      await symlink(`../blobs/${name}`, `${folder.path}/snapshot/${name}`);
    }
    await using store = open();
    await store.add(`${folder.path}/snapshot`, { name: 'cached', placement: 'move' });
    expect(await store.verify('cached')).toMatchObject({ ok: true });
    // The links are gone, and what they led to is not.
    expect(await readdir(blobs)).toHaveLength(Object.keys(safetensorsFolder()).length);
  });

  it('with one model in GGUF files is that model, with its projector', async () => {
    const [first, second] = tinyLlamaParts(2);
    const projector = writeGguf({
      metadata: { 'general.architecture': 'clip' },
      tensors: [{ name: 't', type: 'F32', shape: [4], data: new Uint8Array(16) }],
    });
    const path = await writeFolder(`${folder.path}/Seeing`, {
      'Tiny-00001-of-00002.gguf': first!,
      'Tiny-00002-of-00002.gguf': second!,
      'mmproj-Tiny-F16.gguf': projector,
    });
    await using store = open();
    const model = await store.add(path);
    expect(model.files.files.map(({ path: file, role }) => [file.split('/').pop(), role])).toEqual([
      ['Tiny-00001-of-00002.gguf', 'weights'],
      ['Tiny-00002-of-00002.gguf', 'weights'],
      ['mmproj-Tiny-F16.gguf', 'projector'],
    ]);
    await writeFile(`${path}/Other.gguf`, tinyLlamaGguf());
    await expect(store.add(path, { name: 'b' })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/several models/) as string,
    });
  });

  it('of nothing that is known says what would be', async () => {
    await using store = open();
    const path = await writeFolder(`${folder.path}/None`, rubbish);
    await expect(store.add(path)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(
        /genie_config\.json, mlc-chat-config\.json, config\.json/,
      ) as string,
    });
  });
});
