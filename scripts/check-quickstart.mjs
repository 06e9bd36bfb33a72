// Tries the quickstart as a new user does: once, whatever it has to build, and once more, when there
// must be nothing left to build.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './lib/run-command.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

await runMain(async () => {
  const home = mkdtempSync(join(tmpdir(), 'mobillm-quickstart-'));
  try {
    const first = await quickstart(home);
    const second = await quickstart(home);
    if (second.built) throw new UserError('The second run of the quickstart built something.');
    if (second.text !== first.text) {
      throw new UserError(`The same question got two answers: ${first.text} / ${second.text}`);
    }
    console.log(`${first.built ? 'built, then answered' : 'answered'}: ${second.text}`);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

async function quickstart(home) {
  // One thread on both runs: with more, sums are added in another order and words may differ.
  const options = ['--json', '--temperature', '0', '--max-tokens', '16', '--threads', '1'];
  const { status, output } = await runCommand(
    'npm',
    ['run', '--silent', 'quickstart', '--', ...options, 'Why is the sky blue?'],
    { cwd: root, quiet: true, env: { ...process.env, MOBILLM_HOME: home } },
  );
  const last = output.trimEnd().split('\n').at(-1);
  if (status !== 0 || !last.startsWith('{"type":"finish"')) {
    throw new UserError(`The quickstart failed (exit status ${status}):\n${output}`);
  }
  const { text, usage } = JSON.parse(last).result;
  if (usage.completionTokens !== 16) throw new UserError(`The quickstart answered only: ${text}`);
  return { text, built: output.includes('Building once') };
}
