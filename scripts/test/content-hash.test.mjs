import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { contentHash } from '../lib/content-hash.mjs';

const folder = mkdtempSync(join(tmpdir(), 'mobillm-hash-'));
afterAll(() => rmSync(folder, { recursive: true }));

let before;
beforeEach(() => {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'src', 'a.ts'), 'one');
  before = contentHash([folder, join(folder, 'missing')]);
});

describe('contentHash', () => {
  it('is the same for the same contents written again', () => {
    writeFileSync(join(folder, 'src', 'a.ts'), 'one');
    expect(contentHash([folder])).toBe(before);
  });

  it('changes with a content', () => {
    writeFileSync(join(folder, 'src', 'a.ts'), 'two');
    expect(contentHash([folder])).not.toBe(before);
  });

  it('changes with a name', () => {
    writeFileSync(join(folder, 'src', 'b.ts'), '');
    expect(contentHash([folder])).not.toBe(before);
    rmSync(join(folder, 'src', 'b.ts'));
  });

  it('does not look at what is built', () => {
    for (const made of ['dist', 'node_modules', 'build', 'build-asan']) {
      mkdirSync(join(folder, made), { recursive: true });
      writeFileSync(join(folder, made, 'x'), String(Math.random()));
    }
    expect(contentHash([folder])).toBe(before);
  });
});
