import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type LlamaCppAddon, loadLlamaCppAddon, type NativeProcessors } from '../src/addon.js';
import { temporaryFolder } from './support/models.js';

const folder = temporaryFolder();

/** Files of phones and computers, and what core's probe finds in them; core's tests keep it so. */
const samples = JSON.parse(
  readFileSync(
    new URL('../../core/test/hardware/samples/processors.snap', import.meta.url),
    'utf8',
  ),
) as readonly {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly expected: NativeProcessors;
}[];

describe('the processors that the addon finds', () => {
  let addon: LlamaCppAddon;
  beforeAll(async () => {
    ({ addon } = await loadLlamaCppAddon());
  });

  it('are compared on phones and computers, with and without small cores', () => {
    expect(samples.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['snapdragon8Gen3', 'background', 'intelHybridLaptop']),
    );
    expect(new Set(samples.map(({ expected }) => expected.mixed))).toEqual(new Set([true, false]));
  });

  it.each(samples)('are those of core in the files of $name', ({ name, files, expected }) => {
    const root = join(folder, name);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    expect(addon.processors(root)).toEqual(expected);
  });

  it('are some on this machine', () => {
    const { allowed, fast, fastCores } = addon.processors('');
    expect(allowed).toEqual(expect.arrayContaining([...fast]));
    expect(fastCores).toBeGreaterThanOrEqual(1);
  });
});
