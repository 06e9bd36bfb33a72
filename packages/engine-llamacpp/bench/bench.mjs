/**
 * Measures the engine against llama.cpp itself, the two taking turns in one run, so that whatever
 * else the machine does falls on both.
 *
 *   pnpm bench [-- --rounds 15 --threads 1 --model <file> --json --llama-bench --check]
 *
 * With --check it exits with 1 when a bar is missed.
 *
 * CPU time is the figure that holds on a noisy machine; wall time is what users see.
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DriverRunner } from '../../../scripts/lib/driver-runner.mjs';
import { LlamaReference } from '../../../scripts/lib/llama-reference.mjs';
import { median, quantile, quiet } from '../../../scripts/lib/statistics.mjs';
import { createLlamaCppDriver } from '../dist/index.js';
import { prepareLlamaBench } from './llama-bench.mjs';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  rounds: { type: 'string', default: '15' },
  'llama-bench': { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
});
const rounds = Number(values.rounds);
const threads = Number(values.threads);
const settings = { context: 4096, batch: 512, threads };
const prefillTokens = 512;
const decodeTokens = 128;

// Tokens of ordinary text; which ones they are does not matter for the speed.
const prompt = (length) => Array.from({ length }, (_, index) => 1000 + ((index * 37) % 20_000));

const engine = await DriverRunner.open(
  await createLlamaCppDriver(),
  { format: 'gguf', files: [{ path: modelPath, role: 'weights' }] },
  settings,
);
// What is compared is the cost of the engine, and not that of its choice.
const flashAttention = engine.model.placement().tuning.flashAttention.value ? 'on' : 'off';
const reference = new LlamaReference(modelPath, { ...settings, flashAttention });
const samples = { engine: [], reference: [] };
// The first round warms both up: pages of the model, buffers, compiled JavaScript.
for (let round = -1; round < rounds; round++) {
  const turns = [
    ['engine', () => engine.run(prompt(prefillTokens), decodeTokens + 1)],
    ['reference', () => reference.run(prompt(prefillTokens), decodeTokens + 1)],
  ];
  if (round % 2 === 0) turns.reverse();
  for (const [name, run] of turns) {
    const result = await run();
    if (round >= 0) samples[name].push(result);
  }
}
const sameTokens = samples.engine.every(
  (result, index) =>
    JSON.stringify(result.tokens) === JSON.stringify(samples.reference[index].tokens),
);

const aborts = [];
for (let round = 0; round < 7; round++) aborts.push(await engine.abortLatency(prompt(3000)));
// llama.cpp's own benchmark decodes from an empty context and does not sample; so does this part, and
// it counts the reference's time in `llama_decode` alone.
let llamaBench;
if (values['llama-bench']) {
  const measure = await prepareLlamaBench(modelPath, {
    ...{ threads, batch: settings.batch, flashAttention, prefillTokens, decodeTokens },
  });
  const theirs = { prefill: [], decode: [] };
  const ours = { prefill: [], decode: [] };
  for (let round = 0; round < rounds; round++) {
    const rates = measure();
    theirs.prefill.push(rates.prefill);
    theirs.decode.push(rates.decode);
    const { prefillMs } = await reference.run(prompt(prefillTokens), 1);
    ours.prefill.push((1000 * prefillTokens) / prefillMs);
    const { evalMs } = await reference.run(prompt(1), decodeTokens + 1);
    ours.decode.push((1000 * decodeTokens) / evalMs);
  }
  const row = (key) => {
    // Rates: the upper quartile is the quiet one.
    const [own, llama] = [ours[key], theirs[key]].map((rates) => quantile(rates, 0.75));
    return { reference: own, llamaBench: llama, ratio: own / llama };
  };
  llamaBench = { prefill: row('prefill'), decode: row('decode') };
}
await engine.close();
reference.close();

const starts = [];
const program = fileURLToPath(new URL('./first-token.mjs', import.meta.url));
for (let round = 0; round < 7; round++) {
  starts.push(
    JSON.parse(execFileSync(process.execPath, [program, modelPath], { encoding: 'utf8' })),
  );
}

const timesOf = (name, key) => samples[name].map((result) => result[key]);
const compared = (key, tokens) => {
  const ours = quiet(timesOf('engine', key));
  const theirs = quiet(timesOf('reference', key));
  return {
    engine: (1000 * tokens) / ours,
    reference: (1000 * tokens) / theirs,
    ratio: theirs / ours,
  };
};

const report = {
  model: modelPath,
  threads,
  flashAttention,
  rounds,
  sameTokens,
  prefillCpu: compared('prefillCpuMs', prefillTokens),
  prefillWall: compared('prefillMs', prefillTokens),
  decodeCpu: compared('decodeCpuMs', decodeTokens),
  decodeWall: compared('decodeMs', decodeTokens),
  abortMs: { median: median(aborts), worst: Math.max(...aborts) },
  ...(llamaBench && { llamaBench }),
  startMs: Object.fromEntries(
    Object.keys(starts[0]).map((key) => [key, median(starts.map((start) => start[key]))]),
  ),
};
if (values.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  const row = (name, { engine: ours, reference: theirs, ratio: share }) =>
    console.log(
      `${name.padEnd(26)}${ours.toFixed(1).padStart(10)}${theirs.toFixed(1).padStart(12)}${share.toFixed(3).padStart(9)}   ≥ 0.97`,
    );
  console.log(
    `${modelPath}, ${threads} thread(s), flash attention ${flashAttention}, ${rounds} rounds in turns, lower quartiles`,
  );
  console.log(
    `${''.padEnd(26)}${'engine'.padStart(10)}${'llama.cpp'.padStart(12)}${'ratio'.padStart(9)}`,
  );
  row(`prefill ${prefillTokens}, tok/CPU s`, report.prefillCpu);
  row(`prefill ${prefillTokens}, tok/s`, report.prefillWall);
  row(`decode ${decodeTokens}, tok/CPU s`, report.decodeCpu);
  row(`decode ${decodeTokens}, tok/s`, report.decodeWall);
  console.log(`the same tokens: ${sameTokens ? 'yes' : 'NO'}`);
  console.log(
    `abort inside a prefill of 3000: ${report.abortMs.median.toFixed(1)} ms, worst ${report.abortMs.worst.toFixed(1)} ms   < 50`,
  );
  const { totalMs, nodeMs, importMs, openMs, firstTokenMs } = report.startMs;
  console.log(
    `process start to first token: ${totalMs.toFixed(0)} ms (Node ${nodeMs.toFixed(0)}, import ${importMs.toFixed(0)}, open ${openMs.toFixed(0)}, first token ${firstTokenMs.toFixed(0)})   ≤ 450`,
  );
  if (report.llamaBench) {
    for (const [key, { reference: ours, llamaBench: theirs, ratio }] of Object.entries(
      report.llamaBench,
    )) {
      console.log(
        `reference beside llama-bench, ${key}: ${ours.toFixed(1)} and ${theirs.toFixed(1)} tok/s, ${ratio.toFixed(3)}   0.97 to 1.03`,
      );
    }
  }
}

if (values.check) {
  const bars = {
    'the same tokens': sameTokens,
    prefill: report.prefillCpu.ratio >= 0.97,
    decode: report.decodeCpu.ratio >= 0.97,
    abort: report.abortMs.worst < 50,
    'first token': report.startMs.totalMs <= 450,
    ...(llamaBench && {
      'llama-bench, prefill': Math.abs(llamaBench.prefill.ratio - 1) <= 0.03,
      'llama-bench, decode': Math.abs(llamaBench.decode.ratio - 1) <= 0.03,
    }),
  };
  const missed = Object.keys(bars).filter((name) => !bars[name]);
  if (missed.length > 0) {
    console.error(`missed: ${missed.join(', ')}`);
    process.exitCode = 1;
  }
}
