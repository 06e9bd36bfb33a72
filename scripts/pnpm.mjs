// Runs the pnpm that the root manifest names, with nothing installed globally:
//   node scripts/pnpm.mjs <arguments of pnpm>
import { spawnSync } from 'node:child_process';
import { pnpmVersion } from './lib/pnpm.mjs';

const { status } = spawnSync('npx', ['--yes', pnpmVersion, ...process.argv.slice(2)], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
process.exitCode = status ?? 1;
