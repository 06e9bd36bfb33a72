import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const count = 500;

it(`answers each of ${count} mutations of a model with a code, or opens and runs it`, async () => {
  const path = await writeTinyModel(folder);
  const program = fileURLToPath(new URL('fixtures/open-mutations.mjs', import.meta.url));
  // In a process of its own: an assertion of the library ends it.
  const child = spawn(process.execPath, [program, path, String(count), '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
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
  const outcomes = JSON.parse(lines.at(-1) ?? '') as Record<string, number>;
  const { opened = 0, MODEL_INVALID: invalid = 0, ...others } = outcomes;
  const rest = Object.values(others).reduce((sum, times) => sum + times, 0);
  expect(opened + invalid + rest).toBe(count);
  // A change of a name or a number of metadata may leave a model that works.
  expect(opened).toBeGreaterThan(0);
  expect(invalid).toBeGreaterThan(count / 2);
}, 60_000);
