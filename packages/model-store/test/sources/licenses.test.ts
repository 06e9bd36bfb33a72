import { readFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { licenseOf } from '../../src/sources/license-file.js';
import { hubServers } from '../servers/hub-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const startHub = hubServers();

describe('the licence of a repository', () => {
  it.each([
    [['README.md', 'LICENSE', 'LICENSE.txt'], 'LICENSE'],
    [['Licence.md', 'COPYING'], 'Licence.md'],
    [['copying.txt'], 'copying.txt'],
    [['LICENSE-APACHE'], 'LICENSE-APACHE'],
    [['docs/LICENSE', 'license_of_data/a', 'LICENSES'], undefined],
  ])('among %j is %s', (paths, expected) => {
    const files = paths.map((path) => ({ path, fileBytes: 10 }));
    expect(licenseOf(files)?.path).toBe(expected);
  });

  it('is none that is empty, or longer than a megabyte', () => {
    const sizes = [0, 2 ** 20 + 1];
    for (const fileBytes of sizes)
      expect(licenseOf([{ path: 'LICENSE', fileBytes }])).toBeUndefined();
  });

  it('comes along with the model and is among its files', async () => {
    const text = 'Permission is hereby granted';
    const files = {
      'model-Q4_0.gguf': tinyLlamaGguf({ seed: 1 }),
      LICENSE: new TextEncoder().encode(text),
    };
    const hub = await startHub([{ id: 'team/model', files }]);
    const fileSystem = { ...nodeFileSystem, environment: () => ({ HF_ENDPOINT: hub.endpoint }) };
    await using store = createModelStore({ directory: `${folder.path}/store`, fileSystem });
    const stored = await store.pull('hf:team/model');
    const license = stored.files.files.find(({ role }) => role === 'license');
    expect(await readFile(license?.path ?? '', 'utf8')).toBe(text);
    const requests = hub.requests.length;
    expect(await store.pull('hf:team/model')).toEqual(stored);
    expect(hub.requests.slice(requests).map(({ path }) => path)).not.toContain('LICENSE');
    expect(await store.verify(stored.name)).toMatchObject({ ok: true });
  });
});
