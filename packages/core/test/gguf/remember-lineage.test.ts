import { appendFile, mkdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { rememberedLineage } from '../../src/gguf/remember-lineage.js';
import { temporaryFolder } from '../temporary-folder.js';

const root = temporaryFolder();
const lineage = {
  sourceSha256: 'ab'.repeat(32),
  architecture: 'llama',
  vocabularySha256: 'cd'.repeat(32),
};
/** Some time after what the tests write. */
const now = () => Date.now() + 60_000;
let made = 0;

async function fresh(): Promise<{ file: string; folder: string }> {
  const folder = join(root, `${made++}`, 'cache');
  const file = join(folder, '..', 'model.gguf');
  await mkdir(join(folder, '..'), { recursive: true });
  await writeFile(file, 'weights');
  return { file, folder };
}

it('is found once for a file that stays as it is', async () => {
  const { file, folder } = await fresh();
  const find = vi.fn(() => Promise.resolve(lineage));
  for (let call = 0; call < 3; call++) {
    expect(await rememberedLineage(file, find, { folder, now })).toEqual(lineage);
  }
  expect(find).toHaveBeenCalledTimes(1);
});

it.each([
  ['is written to', (file: string) => appendFile(file, '!')],
  [
    'has other content of the same size and time',
    async (file: string) => {
      await writeFile(file, 'WEIGHTS');
      await utimes(file, 1, 1);
    },
  ],
  [
    'is another one by the same name',
    async (file: string) => {
      await writeFile(`${file}.new`, 'weights');
      await utimes(`${file}.new`, 1, 1);
      await rename(`${file}.new`, file);
    },
  ],
])('is found anew for a file that %s', async (_what, change) => {
  const { file, folder } = await fresh();
  await utimes(file, 1, 1);
  const find = vi.fn(() => Promise.resolve(lineage));
  await rememberedLineage(file, find, { folder, now });
  await change(file);
  await rememberedLineage(file, find, { folder, now });
  expect(find).toHaveBeenCalledTimes(2);
});

it('is not remembered of a file that changes meanwhile, or has changed just now', async () => {
  const { file, folder } = await fresh();
  const find = vi.fn(() => Promise.resolve(lineage));
  await rememberedLineage(file, find, { folder, now: () => Date.now() });
  const changing = async () => {
    await appendFile(file, '!');
    return find();
  };
  await rememberedLineage(file, changing, { folder, now });
  await rememberedLineage(file, find, { folder, now });
  expect(find).toHaveBeenCalledTimes(3);
});

it('is not kept where there is no place for it, nor where it could not be found', async () => {
  const { file, folder } = await fresh();
  const find = vi.fn(() => Promise.resolve(lineage));
  await writeFile(folder, 'in the way');
  for (const place of [undefined, folder, join(root, 'none\0')]) {
    expect(await rememberedLineage(file, find, { folder: place, now })).toEqual(lineage);
  }
  const other = await fresh();
  const failing = () => Promise.reject(new Error('cannot be read'));
  await expect(
    rememberedLineage(other.file, failing, { folder: other.folder, now }),
  ).rejects.toThrow('cannot be read');
  await rememberedLineage(other.file, find, { folder: other.folder, now });
  expect(find).toHaveBeenCalledTimes(4);
});

it('takes what is damaged for nothing, and keeps a bounded number', async () => {
  const { file, folder } = await fresh();
  await mkdir(folder);
  const memory = join(folder, 'lineages.json');
  const find = vi.fn(() => Promise.resolve(lineage));
  for (const text of [
    '',
    '{}',
    '[',
    'null',
    '[null, 1, {"file": 2}, {"file": "x", "lineage": {}}]',
  ]) {
    await writeFile(memory, text);
    expect(await rememberedLineage(file, find, { folder, now })).toEqual(lineage);
  }
  expect(find).toHaveBeenCalledTimes(5);
  const many = Array.from({ length: 100 }, (_, index) => ({ file: `${index}`, lineage }));
  await writeFile(memory, JSON.stringify(many));
  await rememberedLineage(file, find, { folder, now });
  expect(JSON.parse(await readFile(memory, 'utf8'))).toHaveLength(64);
  await rememberedLineage(file, find, { folder, now });
  expect(find).toHaveBeenCalledTimes(6);
});
