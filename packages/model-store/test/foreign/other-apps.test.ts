import { readFile, rm, symlink } from 'node:fs/promises';
import { tinyLlamaGguf, tinyLlamaParts } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { createModelStore, type FoundModel } from '../../src/index.js';
import { temporaryFolder } from '../temporary-folder.js';
import { useHome } from './home.js';
import { hashOf, put } from './ollama-folder.js';
import { projector } from './projector.js';

const folder = temporaryFolder();
useHome(folder);
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const parts = tinyLlamaParts(2);
const commit = 'a'.repeat(40);
const open = () => createModelStore({ directory: `${folder.path}/store` });
const rolesOf = ({ files }: FoundModel) =>
  files.files.map(({ path, role }) => `${role} ${path.slice(path.lastIndexOf('/') + 1)}`);

describe('models of LM Studio', () => {
  it('are found with all their parts and the projector of their folder', async () => {
    const home = `${folder.path}/.lmstudio/models`;
    await put(`${home}/owner/Tiny-GGUF/Tiny-Q8_0.gguf`, model);
    await put(`${home}/owner/Eye-GGUF/Eye-Q4_K_M-00001-of-00002.gguf`, parts[0]!);
    await put(`${home}/owner/Eye-GGUF/Eye-Q4_K_M-00002-of-00002.gguf`, parts[1]!);
    await put(`${home}/owner/Eye-GGUF/mmproj-Eye-F16.gguf`, projector);
    await put(`${home}/owner/Eye-GGUF/imatrix.gguf`, other);
    await using store = open();
    const found = await store.discover();
    expect(found).toMatchObject([
      { app: 'lm-studio', name: 'owner/Eye-GGUF/Eye-Q4_K_M' },
      { app: 'lm-studio', name: 'owner/Tiny-GGUF/Tiny-Q8_0' },
    ]);
    expect(rolesOf(found[0]!)).toEqual([
      'weights Eye-Q4_K_M-00001-of-00002.gguf',
      'weights Eye-Q4_K_M-00002-of-00002.gguf',
      'projector mmproj-Eye-F16.gguf',
    ]);
    const added = await store.add(found[0]!);
    expect(added).toMatchObject({ ownership: 'linked', app: 'lm-studio' });
    expect(await store.verify(added.name)).toMatchObject({ ok: true, files: [{}, {}, {}] });
    await rm(added.files.files[2]!.path);
    await expect(store.resolve(added.name)).rejects.toThrow(
      /LM Studio has no file ".*mmproj.*" any more.* Get it there again, or remove the model\./,
    );
  });

  it('are found by the pointer to its home, in both homes, and where its settings say', async () => {
    await put(`${folder.path}/.lmstudio-home-pointer`, `${folder.path}/studio\n`);
    await put(`${folder.path}/studio/models/a/a/a.gguf`, model);
    await put(`${folder.path}/.cache/lm-studio/models/b/b/b.gguf`, model);
    const settings = JSON.stringify({ downloadsFolder: `${folder.path}/big disk` });
    await put(`${folder.path}/.lmstudio/settings.json`, settings);
    await put(`${folder.path}/big disk/c/c/c.gguf`, model);
    await using store = open();
    expect((await store.discover()).map(({ name }) => name)).toEqual(['a/a/a', 'b/b/b', 'c/c/c']);
  });
});

describe('models of the Hugging Face cache', () => {
  /** The layout of its clients, with the links written as they write them. */
  async function cache(root: string, name: string, files: Record<string, Uint8Array>) {
    const repository = `${root}/models--${name.replaceAll('/', '--')}`;
    for (const [path, bytes] of Object.entries(files)) {
      await put(`${repository}/blobs/${hashOf(bytes)}`, bytes);
      const pointer = await put(`${repository}/snapshots/${commit}/${path}`, '');
      await rm(pointer);
      const up = '../'.repeat(path.split('/').length + 1);
      await symlink(`${up}blobs/${hashOf(bytes)}`, pointer);
    }
    await put(`${repository}/refs/main`, commit);
    return repository;
  }

  it('are found with the sha256 that their blobs are named after', async () => {
    const root = `${folder.path}/.cache/huggingface/hub`;
    await cache(root, 'owner/Tiny-GGUF', { 'Q8/Tiny-Q8_0.gguf': model, 'mmproj.gguf': projector });
    await cache(root, 'owner/Split', {
      'x-00001-of-00002.gguf': parts[0]!,
      'x-00002-of-00002.gguf': parts[1]!,
    });
    await using store = open();
    const found = await store.discover();
    expect(found.map(({ name, reference, revision }) => [name, reference, revision])).toEqual([
      ['owner/Split/x', `hf:owner/Split@${commit}:x-00001-of-00002.gguf`, commit],
      ['owner/Tiny-GGUF/Q8/Tiny-Q8_0', `hf:owner/Tiny-GGUF@${commit}:Q8/Tiny-Q8_0.gguf`, commit],
    ]);
    expect(found[1]!.files.files).toMatchObject([{ role: 'weights', sha256: hashOf(model) }]);
    const added = await store.add(found[0]!);
    expect(added).toMatchObject({ app: 'hugging-face', files: { files: [{}, {}] } });
    expect(added.files.files[0]!.path).toContain(`/snapshots/${commit}/`);
    expect(await store.verify(added.name)).toMatchObject({ ok: true });
  });

  it('are found where blobs are links into a folder that repositories share', async () => {
    const root = `${folder.path}/.cache/huggingface/hub`;
    const repository = await cache(root, 'owner/Tiny', { 'Tiny-Q8_0.gguf': model });
    const blob = `${repository}/blobs/${hashOf(model)}`;
    const shared = await put(`${root}/blobs/ab/${'ab'.repeat(32)}`, await readFile(blob));
    await rm(blob);
    await symlink(shared, blob);
    await using store = open();
    const [found] = await store.discover();
    expect(found!.files.files[0]!.sha256).toBe(hashOf(model));
  });

  it.each([
    ['HF_HUB_CACHE', ''],
    ['HUGGINGFACE_HUB_CACHE', ''],
    ['HF_HOME', '/hub'],
    ['XDG_CACHE_HOME', '/huggingface/hub'],
  ])('are found by %s', async (variable, below) => {
    vi.stubEnv(variable, `${folder.path}/set`);
    await cache(`${folder.path}/set${below}`, 'owner/Tiny', { 'Tiny.gguf': model });
    await using store = open();
    expect(await store.discover()).toMatchObject([{ name: 'owner/Tiny/Tiny' }]);
  });

  it.each([
    ['hf:owner/Tiny', 'Tiny-Q4_K_M.gguf'],
    ['hf:owner/Tiny@main:Q8_0', 'Tiny-Q8_0.gguf'],
    [`hf:owner/Tiny@${commit}:Tiny-Q8_0.gguf`, 'Tiny-Q8_0.gguf'],
  ])('are added by the reference %s', async (reference, file) => {
    const root = `${folder.path}/.cache/huggingface/hub`;
    await cache(root, 'owner/Tiny', { 'Tiny-Q8_0.gguf': model, 'Tiny-Q4_K_M.gguf': other });
    await using store = open();
    const added = await store.add(reference);
    expect(added.files.files[0]!.path.endsWith(`/${file}`)).toBe(true);
    await expect(store.add('hf:owner/Tiny@v2')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});

describe('models of the ModelScope cache', () => {
  it.each([
    ['its first layout', 'hub/owner/Tiny-1___5B/Tiny-Q8_0.gguf', ''],
    ['its second layout', 'hub/models/owner/Tiny-1___5B/Tiny-Q8_0.gguf', ''],
    ['its layout of today', 'models/owner--Tiny-1.5B/snapshots/master/Tiny-Q8_0.gguf', '@master'],
  ])('are found in %s', async (_, path, revision) => {
    const root = `${folder.path}/.cache/modelscope`;
    await put(`${root}/${path}`, model);
    await put(`${root}/hub/._____temp/owner/Half/half.gguf`, model.subarray(1));
    await using store = open();
    expect(await store.discover()).toMatchObject([
      {
        app: 'modelscope',
        name: 'owner/Tiny-1.5B/Tiny-Q8_0',
        reference: `modelscope:owner/Tiny-1.5B${revision}:Tiny-Q8_0.gguf`,
      },
    ]);
    expect(await store.add('modelscope:owner/Tiny-1.5B')).toMatchObject({ app: 'modelscope' });
  });
});

describe('models in folders of the user', () => {
  it('are found below them, under names in any script', async () => {
    await put(`${folder.path}/mine/модель 小.gguf`, model);
    await put(`${folder.path}/mine/تجربة/한국어/नमूना-Q8_0.gguf`, model);
    await put(`${folder.path}/mine/notes.txt`, 'no model');
    await using store = open();
    const found = await store.discover({ folders: [`${folder.path}/mine`], apps: ['folder'] });
    expect(found.map(({ name }) => name)).toEqual(['تجربة/한국어/नमूना-Q8_0', 'модель 小'].sort());
    for (const model of found) {
      const added = await store.add(model);
      expect([added.name, added.app]).toEqual([model.name, undefined]);
    }
  });

  it('only those apps are looked through that were asked for', async () => {
    await put(`${folder.path}/.lmstudio/models/a/a/a.gguf`, model);
    await using store = open();
    expect(await store.discover({ apps: ['ollama', 'folder'] })).toEqual([]);
    const wrong = (options: object) => expect(store.discover(options)).rejects;
    await wrong({ apps: ['steam'] }).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await wrong({ folders: '/tmp' }).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await wrong({ depth: 1 }).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
