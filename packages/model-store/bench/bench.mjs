/**
 * Measures a pull beside what else brings the same file from the same server: `curl` and `sha256sum` one after the other,
 * and the clients of the Hugging Face hub for npm and Python. All take turns, each in a process of its own from its
 * start to its end, and so does the server.
 *
 *   node bench/bench.mjs [--rounds 5] [--bytes 1073741824] [--slow-bytes 50331648] [--directory <folder>] [--json] [--check]
 *
 * The slow network is a proxy of this folder: 50 ms there and back, 20 Mbit/s a connection, 100 Mbit/s in all. With
 * --check it exits with 1 when a bar is missed. Progress goes to the error output.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { quiet } from '../../../scripts/lib/statistics.mjs';
import { installPeers } from './install-peers.mjs';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    rounds: { type: 'string', default: '5' },
    bytes: { type: 'string', default: String(2 ** 30) },
    'slow-bytes': { type: 'string', default: String(48 * 2 ** 20) },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const peers = await installPeers();
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Processes that serve, until this one ends. */
const running = [];
async function start(script, ...args) {
  const server = spawn(process.execPath, [here(script), ...args.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.push(server);
  const [line] = await once(server.stdout, 'data');
  return JSON.parse(line);
}

/** Runs a shell's command in a fresh folder, `$0`, and tells its wall and CPU time. */
async function turn(command, environment) {
  const folder = await mkdtemp(join(values.directory, 'mobillm-bench-'));
  try {
    const timed = `TIMEFORMAT='%R %U %S'; time { ${command}; }`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-ec', timed, folder], {
      env: { PATH: process.env.PATH, HOME: folder, ...environment },
    });
    const [wall, user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number);
    const printed = stdout.trim().split('\n').at(-1);
    const more = printed.startsWith('{') ? JSON.parse(printed) : {};
    return { wallMs: wall * 1000, cpuMs: (user + system) * 1000, ...more };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const node = JSON.stringify(process.execPath);
const python = `python3 -c "import sys; from huggingface_hub import hf_hub_download; hf_hub_download('bench/model', 'model.gguf', cache_dir=sys.argv[1])" "$0"`;
const ownPull = (reference) => `${node} ${here('contenders/store.mjs')} "$0" '${reference}'`;
const hubContenders = (port) => {
  const HF_ENDPOINT = `http://127.0.0.1:${port}`;
  return {
    store: () => turn(ownPull('hf:bench/model:model.gguf'), { HF_ENDPOINT }),
    npm: () => turn(`${node} ${here('contenders/npm-hub.mjs')} ${peers.npm} ${HF_ENDPOINT} "$0"`),
    python: () =>
      turn(python, {
        HF_ENDPOINT,
        PYTHONPATH: peers.python,
        HF_HUB_DISABLE_XET: '1',
        HF_HUB_DISABLE_TELEMETRY: '1',
        HF_HUB_DISABLE_PROGRESS_BARS: '1',
      }),
  };
};
const fileContenders = ({ port, sha256 }) => {
  const url = `http://127.0.0.1:${port}/model.gguf`;
  const curl = `curl -sSfo "$0/file" ${url}; sha256sum "$0/file"`;
  return {
    store: () => turn(ownPull(`${url}#sha256=${sha256}`)),
    curl: () => turn(curl),
    curlAndSync: () => turn(`${curl}; sync "$0/file"`),
  };
};

/** Samples of contenders by their names, which take turns. */
async function compare(title, contenders) {
  const names = Object.keys(contenders);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      console.error(`${title}, round ${round + 1} of ${rounds}: ${name} …`);
      samples[name].push(await contenders[name]());
    }
  }
  return samples;
}

const loadBefore = loadavg()[0];
const fast = await start('content-server.mjs', values.bytes, 'ranges');
const plain = await start('content-server.mjs', values.bytes, 'no-ranges');
const small = await start('content-server.mjs', values['slow-bytes'], 'ranges');
const slow = await start('throttle.mjs', small.port, 50, 20e6, 100e6);
const loopback = await compare('loopback', {
  ...fileContenders(fast),
  ...Object.fromEntries(
    Object.entries(hubContenders(fast.port)).filter(([name]) => name !== 'store'),
  ),
});
const withoutRanges = await compare('loopback without ranges', fileContenders(plain));
const throttled = await compare('slow network', hubContenders(slow.port));
for (const server of running) server.stdin.end();

const rows = [];
function compared(figure, samples, other, key, bar) {
  const [ours, theirs] = ['store', other].map((name) => quiet(samples[name].map((it) => it[key])));
  const ratio = theirs / ours;
  rows.push({ figure, ours, theirs, ratio, bar, held: bar === undefined || ratio >= bar });
}
for (const [where, samples] of [
  ['1 GiB over loopback', loopback],
  ['the same without ranges', withoutRanges],
]) {
  compared(`${where}, beside curl and sha256sum, ms`, samples, 'curl', 'wallMs', 1);
  compared(`${where}, beside the same and sync, ms`, samples, 'curlAndSync', 'wallMs');
  compared(`${where}, beside curl and sha256sum, CPU ms`, samples, 'curl', 'cpuMs');
}
for (const [peer, title] of [
  ['npm', '@huggingface/hub'],
  ['python', 'huggingface_hub'],
]) {
  compared(`over loopback, beside ${title}, ms`, loopback, peer, 'wallMs', 1);
  compared(`over loopback, beside ${title}, CPU ms`, loopback, peer, 'cpuMs');
  compared(`over the slow network, beside ${title}, ms`, throttled, peer, 'wallMs', 1.5);
}
const own = [...loopback.store, ...withoutRanges.store, ...throttled.store];
const residentMb = Math.max(...own.map(({ residentBytes }) => residentBytes)) / 1e6;
rows.push({
  figure: 'resident memory of the pull at most, MB',
  ...{ ours: residentMb, bar: 100, held: residentMb <= 100 },
});
rows.push({
  figure: 'the thread away at most, ms',
  ...{ ours: Math.max(...own.map(({ longestDelayMs }) => longestDelayMs)), held: true },
});

const report = {
  rounds,
  bytes: Number(values.bytes),
  slowBytes: Number(values['slow-bytes']),
  cores: cpus().length,
  load: [loadBefore, loadavg()[0]],
  rows,
};
if (values.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  const number = (value, digits) => (value === undefined ? '' : value.toFixed(digits));
  console.log(
    `lower quartiles of ${rounds} rounds in turns, ${report.cores} cores, load ${report.load.map((load) => load.toFixed(1)).join(' to ')}\n`,
  );
  console.log('| figure | store | peer | ratio | bar |\n| --- | ---: | ---: | ---: | --- |');
  for (const { figure, ours, theirs, ratio, bar, held } of rows) {
    const sign = theirs === undefined ? '≤' : '≥';
    const wanted = bar === undefined ? '' : `${sign} ${bar}${held ? '' : ', missed'}`;
    console.log(
      `| ${figure} | ${number(ours, 0)} | ${number(theirs, 0)} | ${number(ratio, 2)} | ${wanted} |`,
    );
  }
}
const missed = rows.filter(({ held }) => !held).map(({ figure }) => figure);
if (values.check && missed.length > 0) {
  console.error(`missed: ${missed.join('; ')}`);
  process.exitCode = 1;
}
