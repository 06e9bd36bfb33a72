import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../lib/workspace.mjs';

const read = (path) => readFileSync(join(root, path), 'utf8');

/** Every page that we write, by path from the root. */
function pages(folder = root) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const isOurs = !['node_modules', 'dist', 'vendor', 'api', 'build', '.git'].includes(
        entry.name,
      );
      return isOurs && !entry.name.startsWith('build-') ? pages(path) : [];
    }
    return entry.name.endsWith('.md') ? [relative(root, path)] : [];
  });
}

describe('documentation', () => {
  it('of errors explains exactly the codes that there are', () => {
    const union = /export type ErrorCode =([^;]*);/.exec(
      read('packages/core/src/errors/error-code.ts'),
    )[1];
    const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code);
    const explained = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` *\|/gm)].map(
      ([, code]) => code,
    );
    expect(codes.length).toBeGreaterThan(10);
    expect(explained).toEqual(codes);
  });

  it.each(pages())('%s links to files that exist', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
      ([, target]) => target,
    );
    const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
    expect(missing).toEqual([]);
  });
});
