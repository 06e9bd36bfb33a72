import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OutputFolder } from '../../src/compile/output-folder.js';
import { system } from '../../src/system/node.js';
import { temporaryFolder } from '../support/folders.js';

const output = { listFolder: system.listFolder, files: system.files! };
const folder = temporaryFolder();
let count = 0;
const place = () => join(folder, `place-${count++}`, 'model');

describe('OutputFolder', () => {
  it('shows nothing of what is written before it is published, and nothing else after', async () => {
    const path = place();
    const made = await OutputFolder.create(output, path);
    await made.writeText('config.json', '{}');
    await made.writeText('model.json', 'model');
    expect(readdirSync(path).filter((name) => !name.startsWith('.'))).toEqual([]);
    await made.publish({ 'config.json': 'renamed.json' }, 'model.json');
    await made.discard();
    expect(readdirSync(path).sort()).toEqual(['model.json', 'renamed.json']);
    expect(readFileSync(join(path, 'model.json'), 'utf8')).toBe('model');
  });

  it('leaves no trace of what was discarded', async () => {
    const path = place();
    const made = await OutputFolder.create(output, path);
    await made.writeText('config.json', '{}');
    await made.discard();
    expect(existsSync(path)).toBe(false);
  });

  it("keeps somebody's own files and a folder that was there before", async () => {
    const path = place();
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'notes.txt'), 'mine');
    const made = await OutputFolder.create(output, path);
    await made.writeText('config.json', '{}');
    await made.discard();
    expect(readdirSync(path)).toEqual(['notes.txt']);
  });

  it('replaces a former model, whose manifest is gone while there are two halves', async () => {
    const path = place();
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'model.json'), 'old');
    writeFileSync(join(path, 'tokenizer.json'), 'old');
    const seen: string[] = [];
    const watched = {
      ...output,
      files: {
        ...output.files,
        rename: async (from: string, to: string) => {
          seen.push(readdirSync(path).includes('model.json') ? 'a model' : 'no model');
          await output.files.rename(from, to);
        },
      },
    };
    const made = await OutputFolder.create(watched, path);
    await made.writeText('model.json', 'new');
    await made.writeText('tokenizer.json', 'new');
    await made.publish({ 'tokenizer.json': 'tokenizer.json' }, 'model.json');
    await made.discard();
    expect(seen).toEqual(['no model', 'no model']);
    expect(readFileSync(join(path, 'model.json'), 'utf8')).toBe('new');
    expect(readFileSync(join(path, 'tokenizer.json'), 'utf8')).toBe('new');
  });

  it('clears away what a killed process left a day ago, and not what another one is writing', async () => {
    const path = place();
    const old = join(path, '.compiling-old');
    const fresh = join(path, '.compiling-fresh');
    mkdirSync(old, { recursive: true });
    mkdirSync(fresh);
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
    utimesSync(old, twoDaysAgo, twoDaysAgo);
    const made = await OutputFolder.create(output, path);
    await made.discard();
    expect(readdirSync(path)).toEqual(['.compiling-fresh']);
  });

  it('says IO_FAILED where the folder cannot be made', async () => {
    const path = place();
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'a file');
    await expect(OutputFolder.create(output, join(path, 'below'))).rejects.toMatchObject({
      code: 'IO_FAILED',
      details: { errno: 'ENOTDIR' },
    });
  });
});
