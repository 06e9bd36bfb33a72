import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-mlc-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the MLC example as a program', () => {
  it('compiles the default model once, and answers the same from what it compiled', async () => {
    const model = await ensureDefaultModel();
    const ask = () =>
      run(process.execPath, [
        ...[program, model, join(folder, 'compiled'), 'What is the sky?'],
        ...['--max-tokens', '24'],
      ]);
    const first = await ask();
    expect(first.stderr).toContain('100 %');
    expect(first.stdout).toMatch(/sky/i);
    const second = await ask();
    expect(second.stdout).toBe(first.stdout);
  });

  it('says how it is called when something is missing', async () => {
    const failure: { code?: number; stderr?: string } = await run(process.execPath, [program]).then(
      () => ({}),
      (error: unknown) => error as { code: number; stderr: string },
    );
    expect(failure.code).toBe(2);
    expect(failure.stderr).toContain('usage: npm start');
  });
});
