import { readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf, tinyLlamaParts } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { humanNumber } from '../../src/export/ollama-config.js';
import { createModelStore } from '../../src/index.js';
import { withoutLinks } from '../faulty-file-system.js';
import { useHome } from '../foreign/home.js';
import { hashOf, put, putOllamaModel, text } from '../foreign/ollama-folder.js';
import { noRegistry, registryServer } from '../servers/registry-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
useHome(folder);
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });
const models = () => `${folder.path}/.ollama/models`;
const library = () => `${models()}/manifests/registry.ollama.ai/library`;
const blob = (sha256: string) => `${models()}/blobs/sha256-${sha256.replace(/^sha256:/, '')}`;

interface Manifest {
  readonly config: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly layers: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly from?: string;
  }[];
}
const manifestAt = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Manifest;

/** A store with the model under the name `tiny`. */
async function added(name = 'tiny', fileSystem: FileSystem = nodeFileSystem) {
  const path = await put(`${folder.path}/${name.replaceAll('/', '-')}.gguf`, model);
  const store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
  await store.add(path, { name });
  return { store, path };
}

describe('exporting to Ollama', () => {
  it('writes blobs, settings and a manifest as Ollama does', async () => {
    const { store, path } = await added();
    const report = await store.exportTo('ollama', 'tiny', { template: '{{ .Prompt }}' });
    expect(report).toEqual({
      name: 'tiny:latest',
      files: [{ path: blob(hashOf(model)), state: 'linked' }],
    });
    expect((await stat(blob(hashOf(model)))).ino).toBe((await stat(path)).ino);
    const { config, ...manifest } = await manifestAt(`${library()}/tiny/latest`);
    const template = text('{{ .Prompt }}');
    expect(manifest).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      layers: [
        {
          mediaType: 'application/vnd.ollama.image.model',
          digest: `sha256:${hashOf(model)}`,
          size: model.byteLength,
        },
        {
          mediaType: 'application/vnd.ollama.image.template',
          digest: `sha256:${hashOf(template)}`,
          size: template.byteLength,
        },
      ],
    });
    expect(config.mediaType).toBe('application/vnd.docker.container.image.v1+json');
    const settings = await readFile(blob(config.digest));
    expect([`sha256:${hashOf(settings)}`, settings.byteLength]).toEqual([
      config.digest,
      config.size,
    ]);
    expect(JSON.parse(settings.toString())).toMatchObject({
      model_format: 'gguf',
      model_family: 'llama',
      model_families: ['llama'],
      model_type: '108K',
      file_type: 'F32',
    });
    expect(await readFile(blob(hashOf(template)), 'utf8')).toBe('{{ .Prompt }}');
    // Nothing but these: Ollama deletes names that it does not know.
    expect((await readdir(`${models()}/blobs`)).length).toBe(3);
    expect((await store.resolve('tiny')).files.files[0]!.sha256).toBe(hashOf(model));
  });

  it('copies, and checks the copy, where there are no second names', async () => {
    const { store, path } = await added('tiny', withoutLinks(nodeFileSystem));
    expect(await store.exportTo('ollama', 'tiny')).toMatchObject({ files: [{ state: 'copied' }] });
    expect((await stat(blob(hashOf(model)))).ino).not.toBe((await stat(path)).ino);
    expect(hashOf(await readFile(blob(hashOf(model))))).toBe(hashOf(model));
    expect((await readdir(`${models()}/blobs`)).length).toBe(2);
  });

  it('is found again, and used by Ollama’s name', async () => {
    const { store } = await added();
    await store.exportTo('ollama', 'tiny', { as: 'team/small:q8' });
    await using second = createModelStore({ directory: `${folder.path}/second` });
    expect(await second.discover()).toMatchObject([{ app: 'ollama', name: 'team/small:q8' }]);
    expect(await second.add('ollama:team/small:q8')).toMatchObject({ ownership: 'linked' });
  });

  it.each([
    ['owner/Model-Q4_K_M', 'owner/Model-Q4_K_M:latest'],
    ['smollm2:135m', 'smollm2:135m'],
    ['Ünïcode Mödel', 'U-ni-code-Mo-del:latest'],
    ['a/b/c/d', 'c/d:latest'],
  ])('gives "%s" the name "%s"', async (name, expected) => {
    const { store } = await added(name);
    expect((await store.exportTo('ollama', name)).name).toBe(expected);
  });

  it.each([['模型'], ['модель 小']])('asks for a name for "%s"', async (name) => {
    const { store } = await added(name);
    const exporting = store.exportTo('ollama', name);
    await expect(exporting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', key: 'options.as' });
    expect((await store.exportTo('ollama', name, { as: 'model' })).name).toBe('model:latest');
  });

  it.each(['../up', 'a/../../b', 'x:y:z', '/abs', 'a b', 'x\0'])(
    'refuses the name %j',
    async (as) => {
      const { store } = await added();
      await expect(store.exportTo('ollama', 'tiny', { as })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        key: 'options.as',
      });
      await expect(stat(models())).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  it('all parts of a split model, with their names', async () => {
    const paths = await Promise.all(
      tinyLlamaParts(2).map((part, index) =>
        put(`${folder.path}/big-0000${index + 1}-of-00002.gguf`, part),
      ),
    );
    const store = createModelStore({ directory: `${folder.path}/store` });
    await store.add(paths[0]!);
    await store.exportTo('ollama', 'big');
    const { layers, config } = await manifestAt(`${library()}/big/latest`);
    expect(layers.map(({ from }) => from)).toEqual([
      'big-00001-of-00002.gguf',
      'big-00002-of-00002.gguf',
    ]);
    expect(JSON.parse(await readFile(blob(config.digest), 'utf8'))).toMatchObject({
      requires: '0.35.0',
    });
  });
});

describe('what Ollama has', () => {
  const tag = 'registry.ollama.ai/library/tiny/latest';

  it('stays where it has other content under the name, unless told otherwise', async () => {
    const path = await putOllamaModel(models(), tag, [{ kind: 'model', bytes: other }]);
    const before = await readFile(path, 'utf8');
    const { store } = await added();
    const exporting = store.exportTo('ollama', 'tiny');
    await expect(exporting).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
    await expect(exporting).rejects.toThrow(/under the name "tiny:latest".*existing: 'replace'/);
    expect(await readFile(path, 'utf8')).toBe(before);
    await expect(stat(blob(hashOf(model)))).rejects.toMatchObject({ code: 'ENOENT' });

    await store.exportTo('ollama', 'tiny', { existing: 'replace' });
    const { layers } = await manifestAt(path);
    expect(layers[0]!.digest).toBe(`sha256:${hashOf(model)}`);
    expect(hashOf(await readFile(blob(hashOf(other))))).toBe(hashOf(other));
  });

  it('under the name in other letters, or in the later layout, counts', async () => {
    const path = await putOllamaModel(models(), 'registry.ollama.ai/Library/TINY/latest', [
      { kind: 'model', bytes: other },
    ]);
    const { store } = await added();
    const refused = () =>
      expect(store.exportTo('ollama', 'tiny')).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
    await refused();
    const manifest = await readFile(path);
    await rm(`${models()}/manifests`, { recursive: true });
    await put(blob(hashOf(manifest)), manifest);
    const link = await put(`${models()}/manifests-v2/${tag}`, '');
    await rm(link);
    await symlink(blob(hashOf(manifest)), link);
    await refused();
    await store.exportTo('ollama', 'tiny', { existing: 'replace' });
    const [found] = await store.discover();
    expect(found!.files.files[0]!.sha256).toBe(hashOf(model));
    expect(hashOf(await readFile(blob(hashOf(manifest))))).toBe(hashOf(manifest));
  });

  it('of the same weights stays as its user made it', async () => {
    const path = await putOllamaModel(models(), tag, [
      { kind: 'model', bytes: model },
      { kind: 'system', bytes: text('You are kind.') },
    ]);
    const before = await readFile(path, 'utf8');
    const { store } = await added();
    expect(await store.exportTo('ollama', 'tiny')).toEqual({
      name: 'tiny:latest',
      files: [{ path: blob(hashOf(model)), state: 'present' }],
    });
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('that is no manifest is another model', async () => {
    await put(`${models()}/manifests/${tag}`, 'torn');
    const { store } = await added();
    await expect(store.exportTo('ollama', 'tiny')).rejects.toMatchObject({
      code: 'MODEL_CONFLICT',
    });
  });

  it('is whole or as before at whichever call the process ends', async () => {
    const { store } = await added();
    const { sha256 = '' } = (await store.add(`${folder.path}/tiny.gguf`, { hash: 'now' })).files
      .files[0]!;
    let ended = 0;
    for (let at = 0; ended === at; at++) {
      await rm(models(), { recursive: true, force: true });
      let call = 0;
      const step =
        <A extends unknown[], T>(run: (...args: A) => Promise<T>) =>
        (...args: A): Promise<T> =>
          call++ >= at ? Promise.reject(new Error('the process ends here')) : run(...args);
      const crashing = createModelStore({
        directory: `${folder.path}/store`,
        fileSystem: {
          ...nodeFileSystem,
          makeFolder: step(nodeFileSystem.makeFolder.bind(nodeFileSystem)),
          create: step(nodeFileSystem.create.bind(nodeFileSystem)),
          link: step(nodeFileSystem.link.bind(nodeFileSystem)),
          rename: step(nodeFileSystem.rename.bind(nodeFileSystem)),
          remove: step(nodeFileSystem.remove.bind(nodeFileSystem)),
        },
      });
      const done = await crashing.exportTo('ollama', 'tiny').then(
        () => true,
        () => false,
      );
      if (!done) ended++;
      const problems: Error[] = [];
      await using seen = createModelStore({
        directory: `${folder.path}/seen`,
        onProblem: (problem) => problems.push(problem),
      });
      const found = await seen.discover();
      expect(problems).toEqual([]);
      for (const one of found) expect(one.files.files).toMatchObject([{ sha256 }]);
      if (done) expect(found).toHaveLength(1);
      // What was left behind is taken up.
      await store.exportTo('ollama', 'tiny');
      expect(await seen.discover()).toHaveLength(1);
    }
    expect(ended).toBeGreaterThan(8);
  });

  it('may not be written to: that has a sentence', async () => {
    const { store } = await added();
    await writeFile(`${folder.path}/.ollama`, 'a file in the way');
    await expect(store.exportTo('ollama', 'tiny')).rejects.toMatchObject({ code: 'IO_FAILED' });
  });
});

it.each([
  [999, '999'],
  [108_224, '108K'],
  [134_515_008, '134.52M'],
  [7_000_000_000, '7B'],
  [8_030_261_312, '8.0B'],
])('%d weights are shown as %s', (count, shown) => {
  expect(humanNumber(count)).toBe(shown);
});

describe.skipIf(noRegistry)(`a registry${noRegistry ? ` (${noRegistry})` : ''}`, () => {
  const registry = registryServer();

  it('takes what was exported, and gives the same model', async () => {
    await registry.push('library/tiny', 'latest', [
      { kind: 'model', bytes: model },
      { kind: 'template', bytes: text('{{ .Prompt }}') },
      { kind: 'params', bytes: text('{"stop":["x"]}') },
      { kind: 'license', bytes: text('Apache License') },
    ]);
    const store = createModelStore({ directory: `${folder.path}/store` });
    const first = await store.pull(`ollama:${registry.host}/library/tiny`);
    const { name } = await store.exportTo('ollama', first.name, { as: 'again:v1' });
    expect(name).toBe('again:v1');
    const bytes = await readFile(`${library()}/again/v1`);
    const { layers, config } = JSON.parse(bytes.toString()) as Manifest;
    const blobs = await Promise.all(
      [config, ...layers].map(({ digest }) => readFile(blob(digest))),
    );
    const digest = await registry.pushAsIs('library/again', 'v1', bytes, blobs);
    expect(digest).toBe(`sha256:${hashOf(bytes)}`);

    vi.stubEnv('HOME', `${folder.path}/nobody`);
    await using other = createModelStore({ directory: `${folder.path}/other` });
    const second = await other.pull(`ollama:${registry.host}/library/again:v1`);
    const sums = ({ files }: typeof first) =>
      files.files.map(({ role, sha256, path }) => [role, sha256, path.split('/').pop()]);
    expect(sums(second)).toEqual(sums(first));
    expect(second.ownership).toBe('owned');
  });
});
