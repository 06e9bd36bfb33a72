import { lstat, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, vi } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { createModelStore } from '../../src/index.js';
import { withoutLinks } from '../faulty-file-system.js';
import { useHome } from '../foreign/home.js';
import { hashOf, put } from '../foreign/ollama-folder.js';
import { noHubClient, runHubClient } from '../servers/hub-client.js';
import { commitOf, hubServers, type HubRepository } from '../servers/hub-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
useHome(folder);
const startHub = hubServers();
const model = tinyLlamaGguf({ seed: 1 });
const repository: HubRepository = {
  id: 'owner/Tiny-GGUF',
  files: { 'sub/Tiny-Q8_0.gguf': model },
};
const commit = commitOf(repository);
const home = () => `${folder.path}/hf`;
const cached = () => `${home()}/hub/models--owner--Tiny-GGUF`;
const pointer = () => `${cached()}/snapshots/${commit}/sub/Tiny-Q8_0.gguf`;

/** A store with the model, pulled from a hub that is gone then. */
async function pulled(reference = 'hf:owner/Tiny-GGUF', fileSystem: FileSystem = nodeFileSystem) {
  const hub = await startHub([repository]);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  const store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
  const { name } = await store.pull(reference);
  await hub.close();
  vi.stubEnv('HF_HOME', home());
  return { store, name };
}

describe('exporting to the cache of the Hugging Face hub', () => {
  it('writes blobs, links to them and what the branch means', async () => {
    const { store, name } = await pulled();
    const report = await store.exportTo('hugging-face', name);
    expect(report).toEqual({
      name: 'owner/Tiny-GGUF',
      revision: commit,
      files: [{ path: pointer(), state: 'linked' }],
    });
    expect(await readlink(pointer())).toBe(`../../../blobs/${hashOf(model)}`);
    expect(await readFile(`${cached()}/refs/main`, 'utf8')).toBe(commit);
    const own = (await store.resolve(name)).files.files[0]!.path;
    expect((await stat(pointer())).ino).toBe((await stat(own)).ino);
    expect(await store.exportTo('hugging-face', name)).toMatchObject({
      files: [{ state: 'present' }],
    });
    await store.remove(name);
    expect(hashOf(await readFile(pointer()))).toBe(hashOf(model));
  });

  it('copies where there are no second names, and puts the file itself where there are no links', async () => {
    const { symlink, ...rest } = withoutLinks(nodeFileSystem);
    const { store, name } = await pulled('hf:owner/Tiny-GGUF', rest);
    const reports: unknown[] = [];
    const report = await store.exportTo('hugging-face', name, {
      onProgress: (progress) => reports.push(progress),
    });
    expect(report.files).toMatchObject([{ state: 'copied' }]);
    expect((await lstat(pointer())).isFile()).toBe(true);
    expect(hashOf(await readFile(pointer()))).toBe(hashOf(model));
    expect(reports.at(-1)).toMatchObject({ phase: 'copying', doneBytes: model.byteLength });
  });

  it('leaves a branch that means another commit there', async () => {
    const { store, name } = await pulled();
    await put(`${cached()}/refs/main`, 'b'.repeat(40));
    await store.exportTo('hugging-face', name);
    expect(await readFile(`${cached()}/refs/main`, 'utf8')).toBe('b'.repeat(40));
  });

  it('puts what is not whole right', async () => {
    const { store, name } = await pulled();
    await put(`${cached()}/blobs/${hashOf(model)}`, model.subarray(1));
    await store.exportTo('hugging-face', name);
    expect(hashOf(await readFile(pointer()))).toBe(hashOf(model));
  });

  it('says why a model has no place there', async () => {
    const { store } = await pulled();
    const path = await put(`${folder.path}/own.gguf`, tinyLlamaGguf({ seed: 2 }));
    await store.add(path);
    const exporting = store.exportTo('hugging-face', 'own');
    await expect(exporting).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    await expect(exporting).rejects.toThrow(
      'The model "own" has no place in the Hugging Face cache: it was not pulled from there, so repository and commit are not known. Pull it as "hf:owner/repo:file" to have one.',
    );
  });

  it('does not follow a record that leads out of the cache', async () => {
    const { store, name } = await pulled();
    const manifests = `${folder.path}/store/manifests`;
    const [file] = await nodeFileSystem.listFolder(manifests);
    const text = await readFile(`${manifests}/${file}`, 'utf8');
    for (const path of ['../../../../evil', '/evil', 'a\\..\\evil', 'a/./b', 'a\0b']) {
      const planted = text.replace('"sub/Tiny-Q8_0.gguf"', JSON.stringify(path));
      expect(planted).not.toBe(text);
      await writeFile(`${manifests}/${file}`, planted);
      const exporting = store.exportTo('hugging-face', name);
      await expect(exporting, path).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    }
    await expect(stat(cached())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tells of a file that has gone', async () => {
    const { store, name } = await pulled();
    await rm((await store.resolve(name)).files.files[0]!.path);
    await expect(store.exportTo('hugging-face', name)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(store.exportTo('hugging-face', 'none')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(store.exportTo('steam' as 'ollama', name)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'app',
    });
  });
});

describe.skipIf(noHubClient)(
  `what was exported is read by huggingface_hub${noHubClient ? ` (${noHubClient})` : ''}`,
  () => {
    const program = `
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache
repo, file = "owner/Tiny-GGUF", "sub/Tiny-Q8_0.gguf"
info = scan_cache_dir()
print(json.dumps({
  "cached": try_to_load_from_cache(repo, file),
  "offline": hf_hub_download(repo, file, local_files_only=True),
  "byCommit": hf_hub_download(repo, file, revision="${commit}", local_files_only=True),
  "warnings": [str(w) for w in info.warnings],
  "incomplete": len(info.incomplete_files),
  "repos": [[r.repo_id, r.repo_type, r.size_on_disk, [[v.commit_hash, sorted(v.refs), [f.file_name for f in v.files]] for v in r.revisions]] for r in info.repos],
}))`;

    it.each([
      ['with links', nodeFileSystem],
      ['without links', { ...withoutLinks(nodeFileSystem), symlink: refuse }],
    ])('offline, %s', async (_, fileSystem) => {
      const { store, name } = await pulled('hf:owner/Tiny-GGUF@main:Q8_0', fileSystem);
      await store.exportTo('hugging-face', name);
      const said = await runHubClient(program, { HF_HOME: home(), HF_HUB_OFFLINE: '1' });
      expect(JSON.parse(said)).toMatchObject({
        cached: pointer(),
        offline: pointer(),
        byCommit: pointer(),
        warnings: [],
        incomplete: 0,
        repos: [
          ['owner/Tiny-GGUF', 'model', model.byteLength, [[commit, ['main'], ['Tiny-Q8_0.gguf']]]],
        ],
      });
    });

    it('and found again by another store', async () => {
      const { store, name } = await pulled();
      await store.exportTo('hugging-face', name);
      await using other = createModelStore({ directory: `${folder.path}/other` });
      expect(await other.discover()).toMatchObject([
        { app: 'hugging-face', files: { files: [{ path: pointer(), sha256: hashOf(model) }] } },
      ]);
      vi.stubEnv('HF_HUB_OFFLINE', '1');
      expect(await other.pull('hf:owner/Tiny-GGUF')).toMatchObject({ ownership: 'linked' });
      // The other way round: what was linked from the cache has its place in another one.
      const again = await other.exportTo('hugging-face', 'owner/Tiny-Q8_0', {
        folder: `${folder.path}/second`,
      });
      expect(again).toMatchObject({ revision: commit, files: [{ state: 'linked' }] });
    });
  },
);

function refuse(): Promise<never> {
  return Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }));
}
