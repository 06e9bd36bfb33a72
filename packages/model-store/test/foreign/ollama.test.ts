import { readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { temporaryFolder } from '../temporary-folder.js';
import { useHome } from './home.js';
import { hashOf, put, putOllamaModel, text } from './ollama-folder.js';

const folder = temporaryFolder();
useHome(folder);
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const template = text('{{ .Prompt }}');
const models = () => `${folder.path}/.ollama/models`;
const blobOf = (bytes: Uint8Array, at = models()) => `${at}/blobs/sha256-${hashOf(bytes)}`;
const library = 'registry.ollama.ai/library';

function open() {
  const problems: Error[] = [];
  const store = createModelStore({
    directory: `${folder.path}/store`,
    onProblem: (problem) => problems.push(problem),
  });
  return { store, problems };
}

describe('models of Ollama', () => {
  it('are found with their names, layers and what their headers say', async () => {
    await putOllamaModel(models(), `${library}/smollm2/135m`, [
      { kind: 'template', bytes: template },
      { kind: 'model', bytes: model },
      { kind: 'license', bytes: text('Apache') },
    ]);
    await putOllamaModel(models(), 'hf.co/owner/Repo-GGUF/Q4_K_M', [
      { kind: 'model', bytes: other },
    ]);
    const { store, problems } = open();
    const reports: unknown[] = [];
    const found = await store.discover({ onProgress: (progress) => reports.push(progress) });
    expect(problems).toEqual([]);
    expect(found.map(({ name, reference }) => [name, reference])).toEqual([
      ['hf.co/owner/Repo-GGUF:Q4_K_M', 'ollama:hf.co/owner/Repo-GGUF:Q4_K_M'],
      ['smollm2:135m', `ollama:${library}/smollm2:135m`],
    ]);
    expect(found[1]).toMatchObject({
      app: 'ollama',
      revision: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      description: { architecture: 'llama', layers: 2, quantization: 'F32' },
      files: {
        format: 'gguf',
        files: [
          {
            path: blobOf(model),
            fileBytes: model.byteLength,
            role: 'weights',
            sha256: hashOf(model),
          },
          { path: blobOf(template), role: 'config', sha256: hashOf(template) },
          { role: 'license' },
        ],
      },
    });
    const last = reports.at(-1) as { doneBytes: number; totalBytes: number };
    expect(last.doneBytes).toBe(last.totalBytes);
  });

  it.each([
    ['OLLAMA_MODELS', '/elsewhere', { OLLAMA_MODELS: '/elsewhere' }],
    ['the home', '/.ollama/models', {}],
    [
      'a Linux in Termux',
      '/usr/var/lib/proot-distro/installed-rootfs/ubuntu/root/.ollama/models',
      { PREFIX: '/usr' },
    ],
  ])('are found in %s', async (_, below, variables) => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, folder.path + value);
    await putOllamaModel(folder.path + below, `${library}/tiny/latest`, [
      { kind: 'model', bytes: model },
    ]);
    const { store } = open();
    expect(await store.discover({ apps: ['ollama'] })).toMatchObject([{ name: 'tiny:latest' }]);
  });

  it('are found in its later layout: manifests that are links to blobs, and lists of them', async () => {
    const path = await putOllamaModel(models(), `${library}/tiny/latest`, [
      { kind: 'model', bytes: model },
    ]);
    const manifest = await readFile(path);
    const list = text(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.ollama.manifest.list.v2+json',
        manifests: [
          { runner: 'mlx', format: 'safetensors', digest: `sha256:${'0'.repeat(64)}` },
          { runner: 'llamacpp', format: 'gguf', digest: `sha256:${hashOf(manifest)}` },
        ],
      }),
    );
    await rm(`${models()}/manifests`, { recursive: true });
    await put(blobOf(manifest), manifest);
    await put(blobOf(list), list);
    const link = await put(`${models()}/manifests-v2/${library}/both/latest`, '');
    await rm(link);
    await symlink(blobOf(list), link);
    const { store, problems } = open();
    expect(await store.discover()).toMatchObject([{ name: 'both:latest' }]);
    expect(problems).toEqual([]);
  });

  it('that are damaged are told and left out', async () => {
    const put1 = (name: string, bytes = model) =>
      putOllamaModel(models(), `${library}/${name}/latest`, [{ kind: 'model', bytes }]);
    await put1('sound');
    await writeFile(await put1('torn'), '{"schemaVersion":2,"layers":[');
    await writeFile(await put1('list'), '[]');
    await writeFile(
      await put1('climbing'),
      JSON.stringify({
        layers: [
          {
            mediaType: 'application/vnd.ollama.image.model',
            digest: 'sha256:../../../etc/passwd',
            size: 1,
          },
        ],
      }),
    );
    await put1('missing', text('missing'));
    await rm(blobOf(text('missing')));
    await put1('short', other);
    await writeFile(blobOf(other), other.subarray(1));
    await put1('nomodel', text('no model at all'));
    await putOllamaModel(models(), `${library}/mlx/latest`, [{ kind: 'tensor', bytes: model }]);
    await putOllamaModel(models(), `${library}/parts/latest`, [
      { kind: 'model', bytes: model },
      { kind: 'model', bytes: template },
    ]);
    const { store, problems } = open();
    expect((await store.discover()).map(({ name }) => name)).toEqual(['sound:latest']);
    const told = problems.map(({ message }) => /"([a-z]+):latest"/.exec(message)?.[1]).sort();
    expect(told).toEqual([
      'climbing',
      'list',
      'missing',
      'mlx',
      'nomodel',
      'parts',
      'short',
      'torn',
    ]);
    for (const { message } of problems)
      expect(message).toMatch(/^Of Ollama, the model .* left out: /);
  });
});

describe('a model of Ollama that is added', () => {
  const addTiny = async () => {
    await putOllamaModel(models(), `${library}/tiny/latest`, [
      { kind: 'model', bytes: model },
      { kind: 'template', bytes: template },
    ]);
    return open();
  };

  it('is used where it lies, by what was found or by its reference', async () => {
    const { store } = await addTiny();
    const [found] = await store.discover();
    const added = await store.add(found!);
    expect(added).toMatchObject({
      name: 'tiny:latest',
      ownership: 'linked',
      app: 'ollama',
      origin: { reference: `ollama:${library}/tiny:latest`, revision: found!.revision },
      files: { files: [{ path: blobOf(model), sha256: hashOf(model) }, { role: 'config' }] },
      description: found!.description,
    });
    expect(await store.add('ollama:tiny', { name: 'again' })).toMatchObject({ app: 'ollama' });
    // What was found may have been kept as JSON.
    const kept = JSON.parse(JSON.stringify(found)) as typeof found;
    expect(await store.add(kept!)).toEqual(added);
    expect(await store.resolve('tiny:latest')).toEqual(added);
    expect(await store.verify('tiny:latest')).toMatchObject({ ok: true });
    await store.remove('tiny:latest');
    expect(hashOf(await readFile(blobOf(model)))).toBe(hashOf(model));
  });

  it('by the path of its blob is known for Ollama’s, too', async () => {
    const { store } = await addTiny();
    expect(await store.add(blobOf(model), { name: 'x' })).toMatchObject({ app: 'ollama' });
  });

  it.each(['found', 'path'])('is taken in by a move, and stays with Ollama (%s)', async (way) => {
    const { store } = await addTiny();
    const [found] = await store.discover();
    const subject = way === 'found' ? found! : blobOf(model);
    const added = await store.add(subject, { name: 'own', placement: 'move' });
    expect(added.ownership).toBe('owned');
    expect(added.app).toBeUndefined();
    const path = added.files.files[0]!.path;
    expect((await stat(path)).ino).toBe((await stat(blobOf(model))).ino);
    await rm(blobOf(model));
    expect(await store.verify('own')).toMatchObject({ ok: true });
  });

  it('tells whose file is gone and what to do', async () => {
    const { store } = await addTiny();
    await store.add('ollama:tiny');
    await rm(blobOf(model));
    const failed = store.resolve('tiny:latest');
    await expect(failed).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { app: 'ollama', path: blobOf(model) },
    });
    await expect(failed).rejects.toThrow(
      `Ollama has no file "${blobOf(model)}" any more, which the model "tiny:latest" uses. Get it there again ("ollama pull tiny:latest"), or pull "ollama:${library}/tiny:latest" into the store, or remove the model.`,
    );
  });

  it('and changed since it was found is refused', async () => {
    const { store } = await addTiny();
    const [found] = await store.discover();
    await rename(blobOf(model), `${folder.path}/elsewhere`);
    await expect(store.add(found!)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await writeFile(blobOf(model), tinyLlamaGguf({ seed: 3 }).subarray(0, -1));
    await expect(store.add(found!)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    expect(await store.list()).toEqual([]);
  });

  it.each([
    ['ollama:none', 'MODEL_NOT_FOUND', /No app on this device holds "ollama:.*none:latest"/],
    ['hf:owner/none', 'MODEL_NOT_FOUND', /Call pull to download it/],
  ])('%s is %s', async (reference, code, sentence) => {
    const { store } = await addTiny();
    await expect(store.add(reference)).rejects.toMatchObject({ code });
    await expect(store.add(reference)).rejects.toThrow(sentence);
  });

  it.each([
    [{}, 'model'],
    [{ app: 'other', name: 'a', files: { files: [] } }, 'model.app'],
    [
      { app: 'ollama', name: 'a', files: { files: [{ path: '/a', fileBytes: 1, role: 'x' }] } },
      'model',
    ],
  ])('what nobody found is a wrong call: %j', async (value, key) => {
    const { store } = open();
    await expect(store.add(value as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      key,
    });
  });
});
