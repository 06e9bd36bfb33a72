/**
 * Measures our schedules against those that come with TVM, and against llama.cpp, all taking turns in
 * one run, so that whatever else the machine does falls on each.
 *
 *   pnpm bench [-- --rounds 7 --threads 1 --json --check]
 *
 * With --check it exits with 1 when a bar is missed. Figures are tokens a CPU second, which hold on a
 * noisy machine.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';
import { DriverRunner } from '../../../scripts/lib/driver-runner.mjs';
import { LlamaReference } from '../../../scripts/lib/llama-reference.mjs';
import { quiet } from '../../../scripts/lib/statistics.mjs';
import { createMlcCompiler } from '../dist/compile/index.js';
import { createMlcDriver } from '../dist/index.js';
import { ensureMlcRuntimeAloud } from '../scripts/fetch-runtime.mjs';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const threads = Number(values.threads);
process.env.TVM_LIBRARY_PATH ||= await ensureMlcRuntimeAloud();
const source = process.env.MOBILLM_TEST_MODEL ?? (await ensureDefaultModel());
const settings = { context: 1024, batch: 512, threads };
const prefillTokens = 128;
const decodeTokens = 32;
const prompt = Array.from({ length: prefillTokens }, (_, index) => 1000 + ((index * 37) % 20_000));

/** The model compiled one way, opened. */
async function openCompiled(quantization, schedules) {
  const files = await createMlcCompiler().compile(source, {
    folder: join(cacheFolder(), 'compiled', `mlc-bench-${quantization}-${schedules}`),
    compilerOptions: { quantization, schedules },
  });
  return DriverRunner.open(await createMlcDriver(), files, settings);
}

const runners = {
  'llama.cpp, Q4_1': new LlamaReference(source, settings),
  'own schedules, q4f32': await openCompiled('q4f32', 'own'),
  'own schedules, f32': await openCompiled('f32', 'own'),
  "TVM's schedules, q4f32": await openCompiled('q4f32', 'default'),
};
const samples = Object.fromEntries(Object.keys(runners).map((name) => [name, []]));
for (let round = -1; round < rounds; round++) {
  const turns = Object.entries(runners);
  if (round % 2 === 0) turns.reverse();
  for (const [name, runner] of turns) {
    // TVM's own schedules take minutes for what the others do in seconds: one turn has to do.
    if (name.startsWith('TVM') && round !== 0) continue;
    const result = await runner.run(prompt, decodeTokens + 1);
    if (round >= 0) samples[name].push(result);
  }
}
for (const runner of Object.values(runners)) await runner.close();

const rate = (name, key, tokens) =>
  (1000 * tokens) / quiet(samples[name].map((result) => result[key]));
const rows = Object.fromEntries(
  Object.keys(runners).map((name) => [
    name,
    {
      prefill: rate(name, 'prefillCpuMs', prefillTokens),
      decode: rate(name, 'decodeCpuMs', decodeTokens),
    },
  ]),
);
const ratio = (phase, peer) => rows['own schedules, q4f32'][phase] / rows[peer][phase];
const bars = {
  'prefill beside TVM': { value: ratio('prefill', "TVM's schedules, q4f32"), least: 8 },
  'decoding beside TVM': { value: ratio('decode', "TVM's schedules, q4f32"), least: 3 },
  'prefill beside llama.cpp': { value: ratio('prefill', 'llama.cpp, Q4_1'), least: 0.7 },
  'decoding beside llama.cpp': { value: ratio('decode', 'llama.cpp, Q4_1'), least: 0.5 },
};

if (values.json) console.log(JSON.stringify({ threads, rounds, rows, bars }, null, 2));
else {
  console.log(`${source}, ${threads} thread(s), ${rounds} rounds in turns, tokens a CPU second`);
  for (const [name, { prefill, decode }] of Object.entries(rows)) {
    console.log(
      `${name.padEnd(26)}prefill ${prefillTokens}: ${prefill.toFixed(1).padStart(6)}   decode ${decodeTokens} after it: ${decode.toFixed(1).padStart(6)}`,
    );
  }
  for (const [name, { value, least }] of Object.entries(bars)) {
    console.log(`${name.padEnd(26)}${value.toFixed(2)}   ≥ ${least}`);
  }
}
if (values.check) {
  const missed = Object.keys(bars).filter((name) => bars[name].value < bars[name].least);
  if (missed.length > 0) console.error(`missed: ${missed.join(', ')}`);
  process.exitCode = missed.length > 0 ? 1 : 0;
}
