import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'mobillm-chat-'));
});
afterAll(() => rm(home, { recursive: true }));

describe('the chat as a program, on the default model', () => {
  it('answers a question the same way each time at temperature 0', async () => {
    const model = await ensureDefaultModel();
    const args = ['--model', model, '--temperature', '0', '--max-tokens', '24'];
    const ask = () =>
      promisify(execFile)(process.execPath, [cli, ...args, 'Why is the sky blue?'], {
        env: { ...process.env, MOBILLM_HOME: home },
      });
    const first = await ask();
    const second = await ask();
    // Which words it takes differs with the processor, whose rounding tips near-ties.
    expect(first.stdout).toMatch(/\b(?:sky|light|blue|atmosphere)\b/i);
    expect(second.stdout).toBe(first.stdout);
    expect(first.stderr).toMatch(/tokens\/s/);
  }, 120_000);
});
