import { execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { temporaryFolder } from '../temporary-folder.js';
import { useHome } from './home.js';
import { put, putOllamaModel } from './ollama-folder.js';

const folder = temporaryFolder();
useHome(folder);
const model = tinyLlamaGguf({ seed: 1 });

/** Everything found, and what was told. */
async function discover(fileSystem = nodeFileSystem) {
  const problems: string[] = [];
  await using store = createModelStore({
    directory: `${folder.path}/store`,
    fileSystem,
    onProblem: ({ message }) => problems.push(message),
  });
  const found = await store.discover({ folders: [`${folder.path}/mine`] });
  return { names: found.map(({ name }) => name), problems };
}

describe('looking through folders of others survives', () => {
  it('links in circles, to nothing, and to the folders above', async () => {
    const mine = `${folder.path}/mine`;
    await put(`${mine}/sub/sound.gguf`, model);
    await symlink('a.gguf', `${mine}/b.gguf`);
    await symlink('b.gguf', `${mine}/a.gguf`);
    await symlink('nowhere.gguf', `${mine}/broken.gguf`);
    await symlink('..', `${mine}/sub/up`);
    await symlink(mine, `${mine}/sub/again`);
    const { names, problems } = await discover();
    expect(names).toEqual(['sub/sound']);
    expect(problems).toHaveLength(2);
    for (const problem of problems) expect(problem).toMatch(/"\S+\/[ab]\.gguf" was left out/);
  });

  it('pipes and devices that are named like models', async () => {
    const mine = `${folder.path}/mine`;
    await put(`${mine}/sound.gguf`, model);
    execFileSync('mkfifo', [`${mine}/pipe.gguf`]);
    await symlink('/dev/zero', `${mine}/zero.gguf`);
    await symlink('/dev/tty', `${mine}/tty.gguf`);
    const { names, problems } = await discover();
    expect(names).toEqual(['sound']);
    expect(problems).toHaveLength(3);
    for (const problem of problems) expect(problem).toContain('it is not a file');
  });

  it('pipes in the place of manifests, blobs and settings', async () => {
    const ollama = `${folder.path}/.ollama/models`;
    await putOllamaModel(ollama, 'registry.ollama.ai/library/sound/latest', [
      { kind: 'model', bytes: model },
    ]);
    execFileSync('mkfifo', [
      `${folder.path}/.lmstudio-home-pointer`,
      `${ollama}/manifests/registry.ollama.ai/library/sound/pipe`,
    ]);
    await mkdir(`${folder.path}/.cache/huggingface/hub/models--o--n/refs`, { recursive: true });
    await mkdir(`${folder.path}/.cache/huggingface/hub/models--o--n/snapshots/x`, {
      recursive: true,
    });
    execFileSync('mkfifo', [`${folder.path}/.cache/huggingface/hub/models--o--n/refs/main`]);
    const { names, problems } = await discover();
    expect(names).toEqual(['sound:latest']);
    expect(problems).toEqual([expect.stringContaining('is no file')]);
  });

  it('a manifest of a gigabyte, of which nothing is read', async () => {
    const ollama = `${folder.path}/.ollama/models`;
    const manifest = await put(`${ollama}/manifests/registry.ollama.ai/library/big/latest`, '{');
    await truncate(manifest, 2 ** 30);
    let opened = 0;
    const { problems } = await discover({
      ...nodeFileSystem,
      open(path) {
        if (path === manifest) opened++;
        return nodeFileSystem.open(path);
      },
    });
    expect(opened).toBe(0);
    expect(problems).toEqual([
      expect.stringContaining('has 1073741824 bytes, and at most 1048576'),
    ]);
  });

  it('names that lead elsewhere', async () => {
    const ollama = `${folder.path}/.ollama/models/manifests`;
    for (const name of ['a/b/c/..x', 'a/b/-c/d', '.hidden/b/c/d', 'a/b/c/d e', 'a/b/c/.DS_Store']) {
      await put(`${ollama}/${name}`, '{"layers":[]}');
    }
    const hub = `${folder.path}/.cache/huggingface/hub`;
    await put(`${hub}/models--..--..--etc/snapshots/${'b'.repeat(40)}/x.gguf`, model);
    await put(`${hub}/models--o--n/snapshots/main/x.gguf`, model);
    const { names } = await discover();
    // It is what its folder says it is, but no reference: that has two parts.
    expect(names).toEqual(['../../etc/x']);
    await using store = createModelStore({ directory: `${folder.path}/store` });
    const [found] = await store.discover();
    expect(found!.reference).toBeUndefined();
    expect((await store.add(found!)).name).toBe('x');
  });

  it('folders without end, and more names than anybody has', async () => {
    const mine = `${folder.path}/mine`;
    await put(`${mine}/${'d/'.repeat(8)}deep.gguf`, model);
    await put(`${mine}/${'d/'.repeat(9)}deeper.gguf`, model);
    const many = Array.from({ length: 60_000 }, (_, index) => `${index}.txt`);
    const { names, problems } = await discover({
      ...nodeFileSystem,
      listFolder: async (path) =>
        path === `${mine}/d` ? [...many, 'd'] : nodeFileSystem.listFolder(path),
    });
    expect(problems.join('\n')).toContain('all but 20000 names');
    expect(names).toEqual([]);
    const again = await discover();
    expect(again.names).toEqual([`${'d/'.repeat(8)}deep`]);
    expect(again.problems).toEqual([expect.stringContaining('it lies too deep')]);
  });

  it.skipIf(process.getuid?.() === 0)('folders that may not be read (not as root)', async () => {
    await put(`${folder.path}/mine/sound.gguf`, model);
    await mkdir(`${folder.path}/mine/closed`);
    await chmod(`${folder.path}/mine/closed`, 0);
    const { names, problems } = await discover();
    expect(names).toEqual(['sound']);
    expect(problems).toEqual([expect.stringContaining('Permission was denied')]);
  });

  it('files that no library should see', async () => {
    const mine = `${folder.path}/mine`;
    await put(`${mine}/sound.gguf`, model);
    await put(`${mine}/short.gguf`, model.subarray(0, 1000));
    await put(`${mine}/page.gguf`, '<!DOCTYPE html>');
    await put(`${mine}/empty.gguf`, '');
    await writeFile(`${mine}/huge.gguf`, model.slice(0, 24).fill(255, 8));
    await truncate(`${mine}/huge.gguf`, 2 ** 32);
    const { names, problems } = await discover();
    expect(names).toEqual(['sound']);
    expect(problems).toHaveLength(4);
  });

  it('an abort in the middle', async () => {
    await put(`${folder.path}/mine/sound.gguf`, model);
    await using store = createModelStore({ directory: `${folder.path}/store` });
    const controller = new AbortController();
    const reason = new Error('enough');
    const finding = store.discover({
      folders: [`${folder.path}/mine`],
      signal: controller.signal,
    });
    controller.abort(reason);
    await expect(finding).rejects.toBe(reason);
  });
});
