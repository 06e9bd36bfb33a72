import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { writeLora } from './support/lora.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const count = 500;

/** Runs a program that tries mutations of a file, in a process of its own: an assertion of the library ends it. */
async function outcomesOf(fixture: string, ...args: string[]): Promise<Record<string, number>> {
  const program = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  );
  const [out, errors, exit] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const lines = out.trimEnd().split('\n');
  expect({ exit, last: lines.at(-1), errors }).toEqual({
    exit: 0,
    last: expect.stringMatching(/^\{/u) as string,
    errors: '',
  });
  return JSON.parse(lines.at(-1) ?? '') as Record<string, number>;
}

it(`answers each of ${count} mutations of a model with a code, or opens and runs it`, async () => {
  const path = await writeTinyModel(folder);
  const outcomes = await outcomesOf('open-mutations.mjs', path, String(count), '1');
  const { opened = 0, MODEL_INVALID: invalid = 0, ...others } = outcomes;
  const rest = Object.values(others).reduce((sum, times) => sum + times, 0);
  expect(opened + invalid + rest).toBe(count);
  // A change of a name or a number of metadata may leave a model that works.
  expect(opened).toBeGreaterThan(0);
  expect(invalid).toBeGreaterThan(count / 2);
}, 60_000);

it(`answers each of ${count} mutations of an adapter with a code, or loads and applies it`, async () => {
  const base = await writeTinyModel(folder);
  const { path } = await writeLora(folder, base, { rank: 2 });
  const outcomes = await outcomesOf('load-mutations.mjs', base, path, String(count), '1');
  const { opened = 0, MODEL_INVALID: invalid = 0, MODEL_UNSUPPORTED: unfit = 0 } = outcomes;
  expect(Object.values(outcomes).reduce((sum, times) => sum + times, 0)).toBe(count);
  expect(opened).toBeGreaterThan(0);
  expect(unfit).toBeGreaterThan(0);
  expect(invalid).toBeGreaterThan(count / 4);
}, 60_000);
