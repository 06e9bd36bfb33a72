/**
 * Measures what adding a model costs that lies on the device, and listing many: wall time, and every byte that
 * the store writes.
 *
 *   node bench/add.mjs [--gib 5] [--rounds 9] [--models 1000] [--json] [--check]
 *
 * The file has the header of a real 8B model; its weights are a hole, of which a store that reads them would
 * read zeros as slowly as anything in the cache. `--check` fails where a bar is missed: 50 ms to add, nothing
 * written but the index, 100 ms to list.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { nodeFileSystem } from '../dist/file-system/node.js';
import { createModelStore } from '../dist/index.js';
import { putIntoOllama, writeLargeModel } from './large-model.mjs';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    gib: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '9' },
    models: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
const bytes = Number(values.gib) * 2 ** 30;
const rounds = Number(values.rounds);
const models = Number(values.models);
const bars = { addMs: 50, listMs: 100 };

const folder = await mkdtemp(join(tmpdir(), 'mobillm-add-'));
process.env.HOME = folder;
for (const name of ['OLLAMA_MODELS', 'PREFIX']) delete process.env[name];
const rows = [];
try {
  const path = join(folder, 'large.gguf');
  await writeLargeModel(path, bytes);
  const { size } = await stat(path);
  await putIntoOllama(join(folder, '.ollama/models'), async (blob) => {
    await writeLargeModel(blob, bytes);
    return (await stat(blob)).size;
  });

  rows.push(await measureAdding('a file', path, size));
  rows.push(await measureAdding('a model of Ollama', 'ollama:large', size));
  rows.push(await measureListing());
} finally {
  await rm(folder, { recursive: true });
}

if (values.json) for (const row of rows) console.log(JSON.stringify(row));
else console.table(rows);
if (values.check) {
  const missed = rows.filter(
    ({ medianMs, barMs, ...row }) => medianMs > barMs || row.othersWritten > 0,
  );
  for (const { what } of missed) console.error(`${what}: the bar is missed`);
  process.exitCode = missed.length > 0 ? 1 : 0;
}

/** Adds a model to a new store, round by round. */
async function measureAdding(what, subject, fileBytes) {
  const times = [];
  let written = 0;
  let index = 0;
  for (let round = 0; round < rounds; round++) {
    const directory = join(folder, `store-${round}`);
    const counted = { bytes: 0 };
    const store = createModelStore({ directory, fileSystem: countingWrites(counted) });
    const started = performance.now();
    await store.add(subject);
    times.push(performance.now() - started);
    written = counted.bytes;
    index = await bytesBelow(`${directory}/manifests`);
    await store.close();
    await rm(directory, { recursive: true });
  }
  return {
    what: `add ${what}`,
    fileBytes,
    ...timesOf(times),
    barMs: bars.addMs,
    indexBytes: index,
    // What went anywhere but into the records of the store.
    othersWritten: written - index,
  };
}

/** Lists a store of many models, opened anew each time. */
async function measureListing() {
  const directory = join(folder, 'many');
  const path = join(folder, 'tiny.gguf');
  await writeTinyLlamaGguf(path);
  const store = createModelStore({ directory });
  for (let model = 0; model < models; model++) await store.add(path, { name: `model ${model}` });
  await store.close();
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const opened = createModelStore({ directory });
    const started = performance.now();
    const found = await opened.list();
    times.push(performance.now() - started);
    if (found.length !== models) throw new Error(`${found.length} models were listed`);
    await opened.close();
  }
  return { what: `list ${models} models`, ...timesOf(times), barMs: bars.listMs };
}

function timesOf(times) {
  const [firstMs] = times;
  const sorted = [...times].sort((a, b) => a - b);
  const round = (value) => Number(value.toFixed(2));
  return {
    firstMs: round(firstMs),
    medianMs: round(sorted[Math.floor(sorted.length / 2)]),
    maxMs: round(sorted.at(-1)),
  };
}

/** The file system of Node, with every byte counted that a store writes through it. */
function countingWrites(counted) {
  const count = (parts) => {
    for (const { byteLength } of parts) counted.bytes += byteLength;
  };
  return {
    ...nodeFileSystem,
    async create(path) {
      const writer = await nodeFileSystem.create(path);
      return { ...writer, write: (part) => (count([part]), writer.write(part)) };
    },
    async update(path, length) {
      const updater = await nodeFileSystem.update(path, length);
      return { ...updater, write: (parts, at) => (count(parts), updater.write(parts, at)) };
    },
  };
}

async function bytesBelow(path) {
  let sum = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath ?? entry.path, entry.name))).size;
  }
  return sum;
}
