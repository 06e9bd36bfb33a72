import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { placeFolder } from '../src/compile/place-folder.js';
import { temporaryFolder } from './support/models.js';

const configName = 'mlc-chat-config.json';

it('puts one whole folder in place when several are ready at once', async () => {
  const parent = temporaryFolder();
  const target = join(parent, 'model');
  await mkdir(target);
  await writeFile(join(target, configName), 'former');
  for (let round = 0; round < 20; round++) {
    const writers = Array.from({ length: 4 }, (_, writer) =>
      placeFolder(target, async (folder) => {
        for (const name of [configName, 'model.so']) {
          await writeFile(join(folder, name), `${writer}`);
        }
      }),
    );
    await Promise.all(writers);
    const [config, library] = await Promise.all(
      [configName, 'model.so'].map((name) => readFile(join(target, name), 'utf8')),
    );
    expect(library).toBe(config);
    expect(await readdir(parent)).toEqual(['model']);
  }
});
