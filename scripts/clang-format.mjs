// Checks the layout of our C++ files, or with --write puts it right.
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runCommand } from './lib/run-command.mjs';
import { requireTools } from './lib/tools.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

const skipped = new Set(['node_modules', 'vendor', 'build', 'dist']);

await runMain(async () => {
  requireTools(['clang-format']);
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
  const files = nativeFiles(join(root, 'packages')).map((path) => relative(root, path));
  if (files.length === 0) return;
  const { status } = await runCommand('clang-format', [...mode, ...files], { cwd: root });
  if (status !== 0) {
    throw new UserError('Some C++ files are not laid out by clang-format: run "npm run format".');
  }
});

/** C++ files in any `native` folder below. */
function nativeFiles(folder, isNative = false) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (skipped.has(entry.name) || entry.name.startsWith('build-')) return [];
      return nativeFiles(path, isNative || entry.name === 'native');
    }
    return isNative && /\.(?:cpp|hpp)$/.test(entry.name) ? [path] : [];
  });
}
