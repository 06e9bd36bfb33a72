import { truncate, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { MobillmError } from '@mobillm/core';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { inspectModel } from '../../src/formats/inspect-model.js';
import { createModelStore } from '../../src/index.js';
import { ProgressReporter } from '../../src/progress.js';
import {
  genieFolder,
  hubConfig,
  json,
  mlcFolder,
  qnnFolder,
  safetensorsFolder,
  text,
  writeFolder,
  type Folder,
} from '../support/model-folders.js';
import { tensor, withHeader, writeSafetensors } from '../support/safetensors-writer.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();

async function refused(files: Folder): Promise<MobillmError> {
  const path = await writeFolder(`${folder.path}/Bad`, files);
  await using store = createModelStore({ directory: `${folder.path}/store` });
  const error: unknown = await store.add(path).then(
    () => 'was added',
    (reason: unknown) => reason,
  );
  expect(await store.list()).toEqual([]);
  if (!MobillmError.is(error)) throw error;
  return error;
}

/** Paths that are none inside a folder. */
const outside = {
  'leads up': '../secret.bin',
  'leads up from below': 'bin/../../secret.bin',
  'is absolute': '/etc/passwd',
  'is one of Windows': 'C:\\secret.bin',
  'has a zero byte': 'secret.bin\0.txt',
  'is a folder': 'bin/',
  'is deep': 'a/'.repeat(40) + 'b',
  'is long': 'x'.repeat(300),
  'is empty': '',
};

describe.each(Object.entries(outside))('a path that %s', (_, path) => {
  it('is refused in the bundle of Genie', async () => {
    for (const change of [
      (dialog: Record<string, unknown>) => ({ ...dialog, tokenizer: { path } }),
      (dialog: Record<string, unknown>) => ({
        ...dialog,
        engine: { model: { binary: { 'ctx-bins': [path] } } },
      }),
    ]) {
      expect(await refused(genieFolder(change))).toMatchObject({ code: 'MODEL_INVALID' });
    }
  });

  it('is refused in an index of safetensors', async () => {
    const index = json({ weight_map: { 'model.norm.weight': path } });
    expect(
      await refused({ 'config.json': json(hubConfig), 'model.safetensors.index.json': index }),
    ).toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('is refused in an index of MLC', async () => {
    expect(await refused(changedIndex({ dataPath: path }))).toMatchObject({
      code: 'MODEL_INVALID',
    });
  });
});

/** An MLC folder whose first record says something else. */
function changedIndex(change: Record<string, unknown>): Folder {
  const files = mlcFolder();
  const index = JSON.parse(new TextDecoder().decode(files['tensor-cache.json'])) as {
    records: Record<string, unknown>[];
  };
  index.records[0] = { ...index.records[0], ...change };
  return { ...files, 'tensor-cache.json': json(index) };
}

describe('an index of MLC', () => {
  it.each([
    [
      'the same file twice',
      { dataPath: 'params_shard_1.bin', nbytes: 1500 },
      'MODEL_INVALID',
      /twice|outside/,
    ],
    ['another size', { nbytes: 3001 }, 'INTEGRITY_FAILED', /3000 bytes where .* says 3001/],
    ['a file that is missing', { dataPath: 'gone.bin' }, 'FILE_NOT_FOUND', /gone\.bin" is missing/],
    ['a md5 that is none', { md5sum: 'zz' }, 'MODEL_INVALID', /md5/],
  ])('with %s is refused', async (_, change, code, sentence) => {
    const error = await refused(changedIndex(change));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(sentence);
  });

  it('with ten thousand and one shards is refused', async () => {
    const records = Array.from({ length: 10_001 }, (_, number) => ({
      dataPath: `params_shard_${number}.bin`,
      format: 'raw-shard',
      nbytes: 0,
      records: [],
    }));
    expect(await refused({ ...mlcFolder(), 'tensor-cache.json': json({ records }) })).toMatchObject(
      {
        code: 'MODEL_INVALID',
      },
    );
  });
});

describe('an index of safetensors', () => {
  const withIndex = (index: unknown, more: Folder = {}) => ({
    'config.json': json(hubConfig),
    'model.safetensors.index.json': json(index),
    ...more,
  });

  it.each([
    [
      'ten thousand shards',
      {
        weight_map: Object.fromEntries(
          Array.from({ length: 10_000 }, (_, n) => [`t${n}`, `s${n}`]),
        ),
      },
      /10000 files/,
    ],
    ['no shard', { weight_map: {} }, /names 0 files/],
    ['no map', { weight_map: [] }, /weight_map/],
    ['a number for a file', { weight_map: { a: 1 } }, /weight_map/],
  ])('with %s is refused', async (_, index, sentence) => {
    const error = await refused(withIndex(index));
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(error.message).toMatch(sentence);
  });

  it('that names tensors which its file lacks is refused', async () => {
    const shard = writeSafetensors([tensor('a', 'F32', [4])]);
    const error = await refused(withIndex({ weight_map: { b: 's' } }, { s: shard }));
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(error.message).toMatch(/lacks the tensor "b"/);
  });

  it('that names no path but "__proto__" is no trouble', async () => {
    const index = text('{"weight_map":{"__proto__":"s"}}');
    const error = await refused({
      'config.json': json(hubConfig),
      'model.safetensors.index.json': index,
      s: writeSafetensors([tensor('a', 'F32', [4])]),
    });
    expect(error.message).toMatch(/lacks the tensor "__proto__"/);
  });
});

describe('a safetensors file', () => {
  const one = { dtype: 'F32', shape: [4], data_offsets: [0, 16] };
  const data = [new Uint8Array(16)];
  const header = (value: unknown) => withHeader(JSON.stringify(value), data);

  it.each([
    ['that is empty', new Uint8Array(0), /0 bytes/],
    ['that claims a header beyond its end', withHeader('{}', data, 1000), /header of 1000 bytes/],
    ['that claims a header of 2^63 bytes', withHeader('{}', data, 2n ** 63n), /cut short/],
    ['that claims no header', withHeader('{}', data, 0), /header of 0 bytes/],
    ['that is cut short', header({ a: one }).subarray(0, -1), /16 bytes and the file 15/],
    [
      'with more than its tensors',
      header({ a: { ...one, shape: [3], data_offsets: [0, 12] } }),
      /12 bytes and the file 16/,
    ],
    ['with no JSON', withHeader('{"a":', data), /no JSON/],
    ['with a list', header([one]), /no JSON object/],
    [
      'with bytes that are no UTF-8',
      Buffer.concat([withHeader('xx', []).subarray(0, 8), Uint8Array.of(0xff, 0xfe), ...data]),
      /UTF-8/,
    ],
    [
      'with a tensor longer than its shape',
      header({ a: { ...one, shape: [3] } }),
      /16 bytes where its shape makes 12/,
    ],
    [
      'with a tensor that ends before it begins',
      header({ a: { ...one, data_offsets: [16, 0] } }),
      /-16 bytes/,
    ],
    ['with tensors that overlap', header({ a: one, b: one }), /begins at 0 and not at 16/],
    [
      'with a gap',
      header({ a: { ...one, shape: [2], data_offsets: [8, 16] } }),
      /begins at 8 and not at 0/,
    ],
    [
      'with a shape beyond all numbers',
      header({ a: { ...one, shape: [2 ** 40, 2 ** 40] } }),
      /16 bytes where/,
    ],
    ['with half an extent', header({ a: { ...one, shape: [1.5] } }), /shape/],
    ['with an unknown type', header({ a: { ...one, dtype: 'X9' } }), /dtype/],
    ['with a third offset', header({ a: { ...one, data_offsets: [0, 16, 32] } }), /data_offsets/],
    ['with nothing of a tensor', header({ a: null }), /object/],
  ])('%s is refused', async (_, bytes, sentence) => {
    const error = await refused({ 'config.json': json(hubConfig), 'model.safetensors': bytes });
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(error.message).toMatch(sentence);
  });

  it('with a header of more than 16 MiB is refused unread', async () => {
    const path = await writeFolder(`${folder.path}/Long`, { 'config.json': json(hubConfig) });
    await writeFile(`${path}/model.safetensors`, withHeader('{', [], 2 ** 25));
    await truncate(`${path}/model.safetensors`, 2 ** 26);
    const { error, readBytes } = await inspected(path);
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(error?.message).toMatch(/header has 33554432 bytes, and at most 16777216/);
    expect(readBytes).toBeLessThan(2000);
  });
});

/** Looks at a folder, and counts the bytes that were read for it. */
async function inspected(path: string) {
  let readBytes = 0;
  const fs = {
    ...nodeFileSystem,
    async open(file: string) {
      const source = await nodeFileSystem.open(file);
      const read = async (offset: number, length: number) => {
        const bytes = await source.read(offset, length);
        readBytes += bytes.byteLength;
        return bytes;
      };
      return { byteLength: source.byteLength, read, close: () => source.close() };
    },
  };
  const silent = new ProgressReporter(undefined);
  const error: unknown = await inspectModel(fs, path, silent, new AbortController().signal).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error: MobillmError.is(error) ? error : undefined, readBytes };
}

describe('a file of a gigabyte', () => {
  it.each([
    ['mlc-chat-config.json', mlcFolder()],
    ['tensor-cache.json', mlcFolder()],
    ['tokenizer_config.json', mlcFolder()],
    ['genie_config.json', genieFolder()],
    ['qnn-model.json', qnnFolder()],
    ['config.json', safetensorsFolder()],
    ['model.safetensors.index.json', safetensorsFolder(true)],
  ])('for %s is not read', async (name, files) => {
    const path = await writeFolder(`${folder.path}/Big`, files);
    await truncate(`${path}/${name}`, 2 ** 30);
    const { error, readBytes } = await inspected(path);
    if (name !== 'tokenizer_config.json') expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(readBytes).toBeLessThan(100_000);
  });
});

/** JSON with one value replaced somewhere, by what no program expects there. */
const wild: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, [], {}, '', '../x', -1, 1e300, 0.5, true, '__proto__'),
  fc.string(),
  fc.integer(),
);

function replaced(value: unknown, at: number, by: unknown): unknown {
  let left = at;
  const walk = (inner: unknown): unknown => {
    if (left-- === 0) return by;
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, field]) => [key, walk(field)]));
  };
  return walk(value);
}

it.each([
  ['mlc-chat-config.json', mlcFolder()],
  ['tensor-cache.json', mlcFolder()],
  ['genie_config.json', genieFolder()],
  ['qnn-model.json', qnnFolder()],
  ['config.json', safetensorsFolder()],
  ['model.safetensors.index.json', safetensorsFolder(true)],
])('%s is sound or refused with a code, whatever is changed', async (name, files) => {
  const path = await writeFolder(`${folder.path}/Wild`, files);
  const sound: unknown = JSON.parse(new TextDecoder().decode(files[name]));
  const silent = new ProgressReporter(undefined);
  const { signal } = new AbortController();
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 60 }), wild, async (at, by) => {
      await writeFile(`${path}/${name}`, json(replaced(sound, at, by)));
      try {
        const { files: found } = await inspectModel(nodeFileSystem, path, silent, signal);
        for (const file of found) {
          expect(file.path.startsWith(`${path}/`)).toBe(true);
          expect(file.path.split('/')).not.toContain('..');
        }
      } catch (error) {
        if (!MobillmError.is(error)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});
