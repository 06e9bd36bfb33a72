/**
 * Measures what a saved beginning is worth: a system prompt of about a thousand tokens, computed or read
 * from a file, until the first token of the first answer. In turns; each on a model that was opened for
 * it, so that nothing is in memory. The restore checks the hash of the model's file: `--hashed` has each compute
 * it, as on a device that has never saved or restored a session of this model; else saving has found it.
 *
 *   node bench/restore.mjs [--rounds 7] [--threads 1] [--model <file>] [--json]
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quiet } from '../../../scripts/lib/statistics.mjs';
import { createLlamaCppEngine } from '../dist/index.js';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  rounds: { type: 'string', default: '7' },
  hashed: { type: 'boolean', default: false },
});
const rounds = Number(values.rounds);
const system = Array.from(
  { length: 60 },
  (_, index) => `Rule ${index + 1}: answer in the language of the question, briefly and kindly.`,
).join(' ');

const engine = await createLlamaCppEngine();
const open = () =>
  engine.open(modelPath, { contextTokens: 4096, sequences: 1, threads: Number(values.threads) });

/** Milliseconds until the first token of the answer, the session's making included. */
async function firstToken(begin) {
  const model = await open();
  const startedAt = performance.now();
  const session = await begin(model);
  const { text } = await session.send('What is a cell?', { maxTokens: 1, temperature: 0 });
  const ms = performance.now() - startedAt;
  const { restored } = session;
  await model.close();
  return { ms, text, restored };
}

const folder = await mkdtemp(join(tmpdir(), 'mobillm-bench-'));
process.env.MOBILLM_CACHE_DIR = folder;
try {
  const path = join(folder, 'beginning.session');
  const first = await open();
  const saved = await (await first.createSession({ system })).save(path);
  await first.close();

  const times = { computed: [], restored: [] };
  for (let round = 0; round < rounds; round++) {
    const computed = await firstToken((model) => model.createSession({ system }));
    if (values.hashed) await rm(join(folder, 'lineages.json'));
    const restored = await firstToken((model) => model.restoreSession(path));
    if (restored.restored?.cachedTokens !== saved.cachedTokens)
      throw new Error('the cache was not restored');
    if (restored.text !== computed.text) throw new Error('the first tokens differ');
    times.computed.push(computed.ms);
    times.restored.push(restored.ms);
  }
  const [computed, restored] = [quiet(times.computed), quiet(times.restored)];
  const report = {
    model: modelPath,
    rounds,
    tokens: saved.cachedTokens,
    bytes: saved.bytes,
    ...{ computedMs: computed, restoredMs: restored, ratio: restored / computed },
  };
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else
    console.log(
      `${report.tokens} tokens (${(report.bytes / 1e6).toFixed(1)} MB): computed ${computed.toFixed(0)} ms, from the file ${restored.toFixed(0)} ms, ${report.ratio.toFixed(3)}   ≤ 0.1`,
    );
} finally {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
}
