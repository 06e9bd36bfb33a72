/**
 * Measures what it is worth that requests which come at once compute a beginning once: the time until each
 * of sixteen has its first token, where they have a system prompt of about a thousand tokens in common,
 * and where theirs are as long and differ from the first word on. In turns, each on a model that was
 * opened for it.
 *
 *   node bench/at-once.mjs [--requests 16] [--rounds 3] [--threads 1] [--model <file>] [--json]
 */

import { quiet } from '../../../scripts/lib/statistics.mjs';
import { createLlamaCppEngine } from '../dist/index.js';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  requests: { type: 'string', default: '16' },
  rounds: { type: 'string', default: '3' },
});
const [requests, rounds] = [Number(values.requests), Number(values.rounds)];
const rules = Array.from(
  { length: 60 },
  (_, index) => `Rule ${index + 1}: answer in the language of the question, briefly and kindly.`,
).join(' ');

const engine = await createLlamaCppEngine();

/** Milliseconds until all have their first token, and how many tokens of their prompts were computed. */
async function firstTokens(systemOf) {
  const contextTokens = 2048;
  const model = await engine.open(modelPath, {
    contextTokens,
    sequences: requests,
    threads: Number(values.threads),
    // So that those with nothing in common need not take turns.
    engineOptions: { poolTokens: requests * 1200 },
  });
  const startedAt = performance.now();
  const results = await Promise.all(
    Array.from({ length: requests }, (_, index) =>
      model.generate({
        messages: [
          { role: 'system', content: systemOf(index) },
          { role: 'user', content: `What is ${index + 1} and ${index + 1}?` },
        ],
        maxTokens: 1,
        temperature: 0,
      }),
    ),
  );
  const ms = performance.now() - startedAt;
  await model.close();
  const tokens = results.reduce(
    (sum, { usage }) => sum + usage.promptTokens - usage.cachedTokens,
    0,
  );
  return { ms, tokens };
}

try {
  const measured = { common: [], apart: [] };
  for (let round = 0; round < rounds; round++) {
    measured.apart.push(await firstTokens((index) => `You are number ${index + 1}. ${rules}`));
    measured.common.push(await firstTokens(() => `You are number 1. ${rules}`));
  }
  const timeOf = (runs) => quiet(runs.map(({ ms }) => ms));
  const report = {
    model: modelPath,
    ...{ requests, rounds },
    ...{ commonMs: timeOf(measured.common), commonTokens: measured.common[0].tokens },
    ...{ apartMs: timeOf(measured.apart), apartTokens: measured.apart[0].tokens },
    ratio: timeOf(measured.common) / timeOf(measured.apart),
  };
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else
    console.log(
      `${requests} requests until all first tokens: nothing in common ${report.apartMs.toFixed(0)} ms (${report.apartTokens} tokens computed), one beginning ${report.commonMs.toFixed(0)} ms (${report.commonTokens}), ${report.ratio.toFixed(3)}`,
    );
} finally {
  await engine.close();
}
