import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { tinyBert, tinyLlamaGguf, tinyLlamaParts } from '@mobillm/core/testing';
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

/** What may become of a broken file: it still is one, or what is wrong is told by one of these. */
const expected = new Set([
  'opened',
  'MODEL_INVALID',
  'MODEL_UNSUPPORTED',
  // A vocabulary without the tokens that are asked for, and a context that holds none.
  'INVALID_ARGUMENT',
  'CONTEXT_FULL',
  // Numbers that are none.
  'NATIVE_FAILURE',
  'OUT_OF_MEMORY',
]);

/** Checks that each of the files had an outcome, and none an unexpected one. */
function requireExpected(seed: number, outcomes: Readonly<Record<string, number>>): void {
  console.log(`seed ${seed}: ${JSON.stringify(outcomes)}`);
  expect(Object.keys(outcomes).filter((outcome) => !expected.has(outcome))).toEqual([]);
  expect(Object.values(outcomes).reduce((sum, times) => sum + times, 0)).toBe(count);
}

const seed = Date.now() % 2 ** 31;

/** Writes a model's files into a folder of their own. */
function write(name: string, parts: readonly Uint8Array[]): string[] {
  const own = mkdtempSync(join(folder, `${name}-`));
  const number = (part: number) => String(part).padStart(5, '0');
  return parts.map((bytes, index) => {
    const suffix = parts.length === 1 ? '' : `-${number(index + 1)}-of-${number(parts.length)}`;
    const path = join(own, `${name}${suffix}.gguf`);
    writeFileSync(path, bytes);
    return path;
  });
}

it.each([
  { name: 'a model', files: () => write('tiny', [tinyLlamaGguf()]) },
  { name: 'an encoder', files: () => write('bert', [tinyBert().gguf]) },
  { name: 'a split model', files: () => write('split', tinyLlamaParts(3)) },
])(
  `answers each of ${count} mutations of $name with a code, or opens and runs it`,
  async ({ files }) => {
    const outcomes = await outcomesOf(
      'open-mutations.mjs',
      String(count),
      String(seed),
      ...files(),
    );
    requireExpected(seed, outcomes);
    const { opened = 0, MODEL_INVALID: invalid = 0 } = outcomes;
    // A change of a name or a number of metadata may leave a model that works.
    expect(opened).toBeGreaterThan(0);
    expect(invalid).toBeGreaterThan(count / 4);
  },
  60_000,
);

it(`answers each of ${count} mutations of an adapter with a code, or loads and applies it`, async () => {
  const base = await writeTinyModel(folder);
  const { path } = await writeLora(folder, base, { rank: 2 });
  const outcomes = await outcomesOf('load-mutations.mjs', base, path, String(count), String(seed));
  requireExpected(seed, outcomes);
  const { opened = 0, MODEL_INVALID: invalid = 0, MODEL_UNSUPPORTED: unfit = 0 } = outcomes;
  expect(opened).toBeGreaterThan(0);
  expect(unfit).toBeGreaterThan(0);
  expect(invalid).toBeGreaterThan(count / 4);
}, 60_000);
