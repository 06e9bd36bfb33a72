/**
 * Measures the engine against other packages that bind llama.cpp. Contenders live in processes of their
 * own and take turns, job by job, so that whatever else the machine does falls on all of them.
 *
 *   node bench/peers.mjs [--rounds 7] [--threads 1] [--model <file>] [--only decode,parallel] [--json]
 *
 * The peers are installed on first use, outside this workspace, into the cache folder.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';
import { runCommand } from '../../../scripts/lib/run-command.mjs';
import { median, quiet } from '../../../scripts/lib/statistics.mjs';

/** Versions that the figures in `docs/benchmarks.md` speak of. */
const peerPackages = ['node-llama-cpp@3.22.1', '@node-llama-cpp/linux-x64@3.22.1'];

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    model: { type: 'string' },
    only: { type: 'string', default: 'start,memory,decode,parallel,abort,encode' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const only = new Set(values.only.split(','));
const modelPath = values.model ?? process.env.MOBILLM_TEST_MODEL ?? (await ensureDefaultModel());

/** Tokens of ordinary text; which ones they are does not matter for the speed. */
const prompt = (length, seed = 0) =>
  Array.from({ length }, (_, index) => 1000 + (((index + 100 * seed) * 37) % 20_000));

class Contender {
  #child;
  #lines;

  static async start(name, settings) {
    const contender = new Contender(name, settings);
    await contender.#next();
    return contender;
  }

  constructor(name, settings) {
    this.name = name;
    const program = fileURLToPath(new URL('contender-process.mjs', import.meta.url));
    this.#child = spawn(
      process.execPath,
      [program, JSON.stringify({ name, peers: join(peersFolder(), 'package.json'), settings })],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async run(job) {
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    return this.#next();
  }

  close() {
    this.#child.stdin.end();
  }

  async #next() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return JSON.parse(value);
  }
}

function peersFolder() {
  return join(cacheFolder(), 'bench-peers');
}

async function installPeers() {
  const folder = peersFolder();
  const missing = peerPackages.some((spec) => {
    const name = spec.slice(0, spec.lastIndexOf('@'));
    return !existsSync(join(folder, 'node_modules', name));
  });
  if (!missing) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  console.error('installing the peers …');
  // Without the packages for graphics cards, which are six times as large as all the rest.
  const args = ['--no-audit', '--no-fund', '--omit=optional', '--ignore-scripts', ...peerPackages];
  const { status } = await runCommand('npm', ['install', ...args], {
    cwd: folder,
    output: process.stderr,
  });
  if (status !== 0)
    throw new Error('The peers could not be installed; what npm said stands above.');
}

/** Runs a job on each contender in turns; the first round warms up and is not counted. */
async function inTurns(contenders, job) {
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? [...contenders].reverse() : contenders;
    for (const contender of order) {
      const result = await contender.run(job);
      if (round >= 0) results.get(contender.name).push(result);
    }
  }
  return results;
}

const names = ['mobillm', 'node-llama-cpp'];
const report = { model: modelPath, threads: Number(values.threads), rounds };
await installPeers();

async function withContenders(settings, use) {
  const contenders = [];
  for (const name of names) contenders.push(await Contender.start(name, settings));
  try {
    await use(contenders);
  } finally {
    for (const contender of contenders) contender.close();
  }
}

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

await withContenders({ ...settings, sequences: 1 }, async (contenders) => {
  // First: the other jobs leave garbage behind.
  if (only.has('memory')) {
    const results = await inTurns(contenders, { job: 'memory' });
    report.residentMb = each(results, (list) =>
      median(list.map(({ residentBytes }) => residentBytes / 1e6)),
    );
  }
  if (only.has('decode')) {
    const job = { job: 'decode', prompts: [prompt(64)], tokens: 96 };
    const results = await inTurns(contenders, job);
    report.decodeCpuMsPerToken = each(results, (list) =>
      quiet(list.map(({ cpuMs, tokens }) => cpuMs / tokens)),
    );
    const said = [...results.values()].map((list) => JSON.stringify(list[0].said));
    report.sameTokens = said.every((text) => text === said[0]);
  }
  if (only.has('encode')) {
    const word = (index) =>
      ` the quick brown fox ${index} jumps over it`.slice(0, 40).padEnd(40, 'x');
    const short = Array.from({ length: 10_000 }, (_, index) => word(index));
    const many = await inTurns(contenders, { job: 'encode', texts: short });
    const one = await inTurns(contenders, {
      job: 'encode',
      texts: [short.join(' ').repeat(3).slice(0, 1_000_000)],
    });
    report.encodeManyMs = each(many, (list) => quiet(list.map(({ wallMs }) => wallMs)));
    report.encodeOneMs = each(one, (list) => quiet(list.map(({ wallMs }) => wallMs)));
  }
  if (only.has('abort')) {
    // The peer ends its calls when the whole prompt is computed: one round is enough of that.
    const results = await inTurns(contenders, { job: 'abort', prompt: prompt(3000) });
    report.abortMs = each(results, (list) => median(list.map(({ ms }) => ms)));
  }
});

if (only.has('parallel')) {
  report.parallelTokensPerSecond = {};
  for (const sequences of [1, 4, 8, 16]) {
    await withContenders({ ...settings, sequences }, async (contenders) => {
      const prompts = Array.from({ length: sequences }, (_, index) => prompt(32, index));
      const results = await inTurns(contenders, { job: 'decode', prompts, tokens: 48 });
      report.parallelTokensPerSecond[sequences] = each(results, (list) => {
        const wallMs = quiet(list.map((result) => result.wallMs));
        return (1000 * list[0].tokens) / wallMs;
      });
    });
  }
}

if (values.json) console.log(JSON.stringify(report, null, 2));
else console.log(report);
