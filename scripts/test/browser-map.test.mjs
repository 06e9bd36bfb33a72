import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { applyBrowserMap } from '../lib/browser-map.mjs';

const folder = mkdtempSync(join(tmpdir(), 'mobillm-browser-map-'));
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, 'dist'));
const browser = { './dist/index.mjs': './dist/web.mjs', './dist/files.mjs': false };
writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'library', browser }));
// Such a manifest only says how files are read; the map stands in the one above.
writeFileSync(join(folder, 'dist', 'package.json'), JSON.stringify({ type: 'module' }));

describe('applyBrowserMap', () => {
  it.each([
    ['index.mjs', join(folder, 'dist', 'web.mjs')],
    ['files.mjs', false],
    ['other.mjs', join(folder, 'dist', 'other.mjs')],
  ])('maps %s', (file, target) => {
    expect(applyBrowserMap(join(folder, 'dist', file))).toBe(target);
  });

  it('leaves a file of a package without a map alone', () => {
    const path = import.meta.filename;
    expect(applyBrowserMap(path)).toBe(path);
  });
});
