/**
 * Measures the engine against other packages that bind llama.cpp. Contenders live in processes of their
 * own and take turns, job by job, so that whatever else the machine does falls on all of them.
 *
 *   node bench/peers.mjs [--rounds 7] [--threads 1] [--model <file>] [--peers node-llama-cpp,llama.node]
 *                        [--only decode,parallel] [--json]
 *
 * The peers are installed on first use, outside this workspace, into the cache folder. llama.node is slow
 * on x86-64 (a prompt of a thousand tokens takes minutes) and knows no abort below its own prompts: give it
 * few rounds, and only start, memory, decode and encode.
 */

import { median, quiet } from '../../../scripts/lib/statistics.mjs';
import { Contender, inTurns, withContenders } from './contender.mjs';
import { installPeers, peerNames } from './install-peers.mjs';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  rounds: { type: 'string', default: '7' },
  peers: { type: 'string', default: 'node-llama-cpp' },
  only: { type: 'string', default: 'start,memory,decode,parallel,abort,encode,chat' },
});
const rounds = Number(values.rounds);
const only = new Set(values.only.split(','));

/** Tokens of ordinary text; which ones they are does not matter for the speed. */
const prompt = (length, seed = 0) =>
  Array.from({ length }, (_, index) => 1000 + (((index + 100 * seed) * 37) % 20_000));

const names = ['mobillm', ...values.peers.split(',')];
const unknown = names.slice(1).find((name) => !peerNames.includes(name));
if (unknown !== undefined) throw new Error(`--peers knows ${peerNames.join(' and ')}`);
const report = { model: modelPath, threads: Number(values.threads), rounds };
await installPeers();

const settings = { model: modelPath, threads: report.threads, context: 4096, batch: 512 };
const each = (results, of) =>
  Object.fromEntries([...results].map(([name, list]) => [name, of(list)]));

if (only.has('start')) {
  const times = new Map(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const startedAt = performance.now();
      const contender = await Contender.start(name, { ...settings, sequences: 1 });
      await contender.run({ job: 'decode', prompts: [prompt(8)], tokens: 0 });
      if (round >= 0) times.get(name).push(performance.now() - startedAt);
      contender.close();
    }
  }
  report.startToFirstTokenMs = each(times, quiet);
}

await withContenders(names, { ...settings, sequences: 1 }, async (contenders) => {
  // First: the other jobs leave garbage behind.
  if (only.has('memory')) {
    const results = await inTurns(contenders, { job: 'memory' }, rounds);
    report.residentMb = each(results, (list) =>
      median(list.map(({ residentBytes }) => residentBytes / 1e6)),
    );
  }
  if (only.has('decode')) {
    const job = { job: 'decode', prompts: [prompt(64)], tokens: 96 };
    const results = await inTurns(contenders, job, rounds);
    report.decodeCpuMsPerToken = each(results, (list) =>
      quiet(list.map(({ cpuMs, tokens }) => cpuMs / tokens)),
    );
    // llama.node gives its tokens as text.
    const said = [...results.values()]
      .filter(([{ said }]) => typeof said[0][0] === 'number')
      .map((list) => JSON.stringify(list[0].said));
    report.sameTokens = said.every((text) => text === said[0]);
  }
  if (only.has('encode')) {
    const word = (index) =>
      ` the quick brown fox ${index} jumps over it`.slice(0, 40).padEnd(40, 'x');
    const short = Array.from({ length: 10_000 }, (_, index) => word(index));
    const many = await inTurns(contenders, { job: 'encode', texts: short }, rounds);
    const text = short.join(' ').repeat(3).slice(0, 1_000_000);
    const one = await inTurns(contenders, { job: 'encode', texts: [text] }, rounds);
    report.encodeManyMs = each(many, (list) => quiet(list.map(({ wallMs }) => wallMs)));
    report.encodeOneMs = each(one, (list) => quiet(list.map(({ wallMs }) => wallMs)));
  }
  if (only.has('abort')) {
    // The peer ends its calls when the whole prompt is computed: one round is enough of that.
    const results = await inTurns(contenders, { job: 'abort', prompt: prompt(3000) }, rounds);
    report.abortMs = each(results, (list) => median(list.map(({ ms }) => ms)));
  }
});

if (only.has('parallel')) {
  report.parallelTokensPerSecond = {};
  for (const sequences of [1, 4, 8, 16]) {
    await withContenders(names, { ...settings, sequences }, async (contenders) => {
      const prompts = Array.from({ length: sequences }, (_, index) => prompt(32, index));
      const results = await inTurns(contenders, { job: 'decode', prompts, tokens: 48 }, rounds);
      report.parallelTokensPerSecond[sequences] = each(results, (list) => {
        const wallMs = quiet(list.map((result) => result.wallMs));
        return (1000 * list[0].tokens) / wallMs;
      });
    });
  }
}

if (only.has('chat')) {
  // A long system prompt, and two short turns.
  const system = Array.from(
    { length: 60 },
    (_, index) => `Rule ${index + 1}: answer in the language of the question, briefly and kindly.`,
  ).join(' ');
  const job = { job: 'chat', system, questions: ['What is a cell?', 'And a nucleus?'], tokens: 16 };
  await withContenders(names, { ...settings, sequences: 1, chat: true }, async (contenders) => {
    const results = await inTurns(contenders, job, rounds);
    const turn = (index) =>
      each(results, (list) => quiet(list.map(({ firstTokenMs }) => firstTokenMs[index])));
    report.chatFirstTokenMs = { turn1: turn(0), turn2: turn(1) };
  });
}

if (values.json) console.log(JSON.stringify(report, null, 2));
else console.log(report);
