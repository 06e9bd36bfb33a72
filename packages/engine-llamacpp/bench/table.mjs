/**
 * Runs every benchmark of this package, one after another, and writes one table with the bars.
 *
 *   node bench/table.mjs [--rounds 5] [--json] [--check]
 *
 * Progress goes to the error output, the table, in Markdown, to the output; with `--check`
 * a missed bar ends it with 1. About half an hour on two cores. Nothing else should run meanwhile.
 */

import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';
import { ensureRequantizedModel } from '../../../scripts/requantized-model.mjs';
import { installPeers, peerVersions } from './install-peers.mjs';
import './unmeasured.mjs';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
// The default model alone: the rows name its formats.
const q41 = await ensureDefaultModel();
const q40 = await ensureRequantizedModel('q4_0');
await installPeers();

const peers = peerVersions();
const rows = [];
/** A row: what it is on which settings, both figures, and the bar for their ratio or for the first. */
function row(figure, settings, { ours, theirs, value, bar, atMost, digits = 2 }) {
  const held = bar === undefined ? undefined : atMost ? value <= bar : value >= bar;
  rows.push({ figure, settings, ours, theirs, value, bar, atMost, held, digits });
}

// --- beside the C++ loop ------------------------------------------------------------------------
for (const [weights, model] of [
  ['Q4_0', q40],
  ['Q4_1', q41],
]) {
  const report = await run('bench.mjs', ['--model', model, '--threads', '1']);
  if (!report.sameTokens) throw new Error('the reference chose other tokens');
  const cost = 1000 / report.decodeCpu.engine - 1000 / report.decodeCpu.reference;
  row('decoding, own cost over the C++ loop, CPU ms a token', `${weights}, 1 thread`, {
    ours: 1000 / report.decodeCpu.engine,
    theirs: 1000 / report.decodeCpu.reference,
    ...{ value: cost, bar: 0.2, atMost: true },
  });
  if (weights === 'Q4_0') {
    row('abort in a prefill of 3000 tokens, worst, ms', `${weights}, 1 thread`, {
      ours: report.abortMs.worst,
      ...{ value: report.abortMs.worst, bar: 30, atMost: true, digits: 1 },
    });
  }
}

// --- beside another binding ---------------------------------------------------------------------
// llama.node takes minutes for long prompts and computes no several at once.
for (const [peer, weights, model, threads, only] of [
  ['node-llama-cpp', 'Q4_0', q40, 1, 'start,memory,decode,parallel,encode,chat'],
  ['node-llama-cpp', 'Q4_1', q41, 1, 'decode,parallel,memory'],
  ['node-llama-cpp', 'Q4_0', q40, 2, 'decode,parallel'],
  ['node-llama-cpp', 'Q4_1', q41, 2, 'decode,parallel'],
  ['llama.node', 'Q4_0', q40, 1, 'start,memory,decode,encode'],
]) {
  const settings = `${peer}; ${weights}, ${threads} thread${threads === 1 ? '' : 's'}`;
  const report = await run('peers.mjs', [
    ...['--peers', peer, '--model', model, '--threads', String(threads), '--only', only],
  ]);
  const both = (figures) => ({ ours: figures.mobillm, theirs: figures[peer] });
  const less = (name, figures, bar, more = {}) => {
    const { ours, theirs } = both(figures);
    row(name, settings, { ours, theirs, value: ours / theirs, bar, atMost: true, ...more });
  };
  // With two threads on two cores, threads that wait for each other cost what the machine wills.
  const single = threads === 1;
  less(
    'decoding, CPU ms a token',
    report.decodeCpuMsPerToken,
    single && weights === 'Q4_0' ? 0.95 : undefined,
  );
  for (const [sequences, figures] of Object.entries(report.parallelTokensPerSecond ?? {})) {
    const { ours, theirs } = both(figures);
    const bar = sequences === '16' ? 1.35 : undefined;
    row(`${sequences} sequence${sequences === '1' ? '' : 's'}, tokens a second`, settings, {
      ...{ ours, theirs, value: ours / theirs, bar, digits: 0 },
    });
  }
  if (report.startToFirstTokenMs) {
    less('process start to first token, ms', report.startToFirstTokenMs, 0.3, { digits: 0 });
  }
  if (report.residentMb) {
    less('resident memory with the model loaded, MB', report.residentMb, 0.8, { digits: 0 });
  }
  if (report.chatFirstTokenMs) {
    less('chat turn 2, first token, ms', report.chatFirstTokenMs.turn2, 1, { digits: 0 });
  }
  if (report.encodeManyMs) {
    // How many times as fast: the peer's time over ours.
    for (const [name, figures, bar] of [
      ['tokenizer, 10,000 texts of 40 bytes, ms', report.encodeManyMs, 1.3],
      ['tokenizer, one text of 1 MB, ms', report.encodeOneMs, 0.95],
    ]) {
      const { ours, theirs } = both(figures);
      row(name, settings, { ours, theirs, value: theirs / ours, bar, digits: 0 });
    }
  }
}

// --- by itself ----------------------------------------------------------------------------------
for (const [weights, model] of [
  ['Q4_0', q40],
  ['Q4_1', q41],
]) {
  const { computedMs, restoredMs, ratio, tokens } = await run('restore.mjs', ['--model', model]);
  row(`${tokens} tokens from disk beside computed, first token, ms`, `${weights}, 1 thread`, {
    ...{ ours: restoredMs, theirs: computedMs, value: ratio, bar: 0.1, atMost: true, digits: 0 },
  });
  const { tasks } = await run('structured.mjs', ['--model', model]);
  for (const { name, plainCpuMsPerToken, schemaCpuMsPerToken, rejectedShare, ...task } of tasks) {
    const share = `${(100 * rejectedShare).toFixed(0)} % refused`;
    const bar = rejectedShare < 0.05 ? 0.95 : rejectedShare >= 0.2 ? 0.8 : undefined;
    row(`schema beside plain, CPU ms a token: ${name}, ${share}`, `${weights}, 1 thread`, {
      ...{ ours: schemaCpuMsPerToken, theirs: plainCpuMsPerToken, value: task.ratio, bar },
    });
  }
}

const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;
const date = new Date().toISOString().slice(0, 10);
if (values.json) {
  console.log(JSON.stringify({ machine, date, peers, rows }, null, 2));
} else {
  console.log(
    `${machine}; ${Object.entries(peers).flat().join(' ')}; ${date}; ${values.rounds} rounds\n`,
  );
  console.log('| figure | settings | engine | other | ratio or cost | bar | |');
  console.log('| --- | --- | ---: | ---: | ---: | --- | --- |');
  for (const { figure, settings, ours, theirs, value, bar, atMost, held, digits } of rows) {
    const number = (of) => (of === undefined ? '' : of.toFixed(digits));
    const share = theirs === undefined ? '' : value.toFixed(2);
    const wanted = bar === undefined ? '' : `${atMost ? '≤' : '≥'} ${bar}`;
    const verdict = held === undefined ? '' : held ? 'holds' : '**missed**';
    console.log(
      `| ${[figure, settings, number(ours), number(theirs), share, wanted, verdict].join(' | ')} |`,
    );
  }
}
if (values.check && rows.some(({ held }) => held === false)) process.exitCode = 1;

/** Runs one of the programs beside this one and reads what it reports. */
async function run(program, args) {
  const all = [...args, '--rounds', values.rounds, '--json'];
  console.error(`${program} ${all.join(' ')}`);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [fileURLToPath(new URL(program, import.meta.url)), ...all],
    { maxBuffer: 1 << 26 },
  );
  return JSON.parse(stdout);
}
