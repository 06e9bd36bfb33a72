import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { ownHubs } from '../servers/own-hub.js';
import { modelScopeServers } from '../servers/modelscope-server.js';
import {
  genieFolder,
  json,
  mlcFolder,
  qnnFolder,
  rubbish,
  safetensorsFolder,
  sumOf,
  text,
} from '../support/model-folders.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const hubOf = ownHubs(folder);
const startModelScope = modelScopeServers();

const open = () => createModelStore({ directory: `${folder.path}/store` });

/** Paths of a model's files in its folder, in order. */
const namesOf = (files: readonly { readonly path: string }[]) =>
  files.map(({ path }) => path.replace(/^.*\/store\/models\/[^/]+\//, ''));

describe('a repository that is a model in a folder', () => {
  it.each([
    ['mlc', mlcFolder()],
    ['genie', genieFolder()],
    ['qnn-context', qnnFolder()],
    ['safetensors', safetensorsFolder()],
    ['safetensors', safetensorsFolder(true)],
  ])(
    'of the layout %s is pulled with what belongs to it, and nothing else',
    async (format, files) => {
      const hub = await hubOf({ ...files, ...rubbish });
      await using store = open();
      const model = await store.pull('hf:owner/Tiny');
      expect(model).toMatchObject({
        name: 'owner/Tiny',
        ownership: 'owned',
        files: { format },
        origin: { reference: 'hf:owner/Tiny' },
      });
      const found = model.files.files.map(({ path, sha256 }) => [namesOf([{ path }])[0], sha256]);
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries(
          Object.entries(files).map(([name, bytes]) => [name, sumOf('sha256', bytes)]),
        ),
      );
      for (const name of Object.keys(rubbish)) {
        expect(hub.requests.filter(({ path }) => path.includes(name))).toEqual([]);
      }
      expect(await store.resolve('owner/Tiny')).toEqual(model);
      expect(await store.verify('owner/Tiny')).toMatchObject({ ok: true });
      const before = hub.requests.filter(({ server }) => server === 'content').length;
      expect(await store.pull('hf:owner/Tiny')).toEqual(model);
      const after = hub.requests.filter(({ server }) => server === 'content').length;
      // Lists and configurations are asked for again; content that the hub knows by its sha256 is not.
      expect(after - before).toBeLessThanOrEqual(Object.keys(files).length);
    },
  );

  it('leaves machine code where it is', async () => {
    const hub = await hubOf({ ...mlcFolder(), 'model.so': new Uint8Array(5000) });
    await using store = open();
    const { files } = await store.pull('hf:owner/Tiny');
    expect(files.files.filter(({ role }) => role === 'library')).toEqual([]);
    expect(hub.requests.filter(({ path }) => path.includes('model.so'))).toEqual([]);
  });

  it('may lie below the root of its repository', async () => {
    const below = Object.fromEntries(
      Object.entries(mlcFolder()).map(([name, bytes]) => [`q4/mlc/${name}`, bytes]),
    );
    await hubOf({ ...safetensorsFolder(), ...below });
    await using store = open();
    const model = await store.pull('hf:owner/Tiny:q4/mlc');
    expect(model).toMatchObject({ name: 'owner/mlc', files: { format: 'mlc' } });
    expect(await store.pull('hf:owner/Tiny:mlc', { name: 'again' })).toMatchObject({
      files: { format: 'mlc' },
    });
  });

  it('is not kept when its own index has other sums', async () => {
    const files = { ...mlcFolder(), 'params_shard_1.bin': new Uint8Array(1500) };
    await hubOf(files);
    await using store = open();
    await expect(store.pull('hf:owner/Tiny')).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    expect(await store.list()).toEqual([]);
  });

  it('is refused by its list where a shard is missing, before anything comes', async () => {
    const { 'params_shard_1.bin': _, ...files } = mlcFolder();
    const hub = await hubOf(files);
    await using store = open();
    await expect(store.pull('hf:owner/Tiny')).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/owner\/Tiny\/params_shard_1\.bin" is missing/) as string,
    });
    expect(hub.requests.filter(({ path }) => path.includes('params_shard_0'))).toEqual([]);
  });

  it.each(['../../x', 'C:/x', 'con.bin', 'a b.bin'])(
    'is refused where its index names %s',
    async (name) => {
      const change = (dialog: Record<string, unknown>) => ({
        ...dialog,
        engine: { model: { binary: { 'ctx-bins': [name] } } },
      });
      await hubOf({ ...genieFolder(change), [name]: new Uint8Array(2000) });
      await using store = open();
      await expect(store.pull('hf:owner/Tiny')).rejects.toMatchObject({
        code: expect.stringMatching(/MODEL_INVALID|MODEL_UNSUPPORTED/) as string,
      });
    },
  );

  it('is told from others in it by the name of its layout', async () => {
    await hubOf({ ...safetensorsFolder(), ...mlcFolder(), 'Tiny-Q4_K_M.gguf': tinyLlamaGguf() });
    await using store = open();
    const formatOf = async (reference: string) => (await store.describe(reference)).format;
    expect(await formatOf('hf:owner/Tiny')).toBe('gguf');
    expect(await formatOf('hf:owner/Tiny:gguf')).toBe('gguf');
    expect(await formatOf('hf:owner/Tiny:Q4_K_M')).toBe('gguf');
    expect(await formatOf('hf:owner/Tiny:mlc')).toBe('mlc');
    expect(await formatOf('hf:owner/Tiny:SafeTensors')).toBe('safetensors');
    await expect(formatOf('hf:owner/Tiny:genie')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: 'The repository "owner/Tiny" has no "genie". It has gguf, mlc, safetensors.',
    });
  });

  it('may be one of ModelScope', async () => {
    const hub = await startModelScope('owner/Tiny', { ...safetensorsFolder(true), ...rubbish });
    vi.stubEnv('MODELSCOPE_ENDPOINT', hub.endpoint);
    await using store = open();
    const model = await store.pull('modelscope:owner/Tiny');
    expect(model.files.format).toBe('safetensors');
    expect(await store.verify(model.name)).toMatchObject({ ok: true });
    expect(hub.asked).not.toContain('pytorch_model.bin');
  });

  it('has no model where it has only rubbish', async () => {
    await hubOf({ ...rubbish, 'config.json': json({}), 'notes.txt': text('x') });
    await using store = open();
    await expect(store.pull('hf:owner/Tiny')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
