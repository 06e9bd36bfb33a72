/**
 * Measures what guessing ahead from the text itself (prompt lookup) gains where an answer copies its
 * prompt, and what it costs where nothing repeats: the same prompt decoded plainly, with
 * `speculation: 'auto'` and with `'always'`, in turns, one sequence, as many tokens of each.
 *
 *   node bench/speculation.mjs [--rounds 7] [--threads 1] [--tokens 128] [--model <file>] [--json]
 *                              [--draft <file>]   a smaller model guesses, instead of the text itself
 *
 * Decoding and sampling alone; the prompt is computed before. A cache in f32 and no flash attention make
 * steps of every size compute the same but for weights of few bits, whose activations are rounded, too; it
 * tells how many tokens were the same.
 */

import { quiet } from '../../../scripts/lib/statistics.mjs';
import { createLlamaCppEngine } from '../dist/index.js';
import { benchOptions } from './options.mjs';

const { values, modelPath } = await benchOptions({
  rounds: { type: 'string', default: '7' },
  tokens: { type: 'string', default: '128' },
  draft: { type: 'string' },
});
const maxTokens = Number(values.tokens);

const minutes = `The committee met on Tuesday in the old town hall. Mrs. Albright reported that the bridge over the river Tarn needs new bearings, which cost 48,300 euros. Mr. Okafor asked whether the work could wait until spring. The engineer, Dr. Lindqvist, advised against it, because the frost would widen the cracks. The committee decided to order the bearings at once and to close the bridge to lorries until they are fitted.`;
const tasks = [
  {
    name: 'copies its prompt',
    prompt: `Text: ${minutes}\n\nThe same text again, word for word: ${minutes.slice(0, 50)}`,
    sampling: { temperature: 0 },
  },
  {
    name: 'tells a story',
    prompt: 'Once upon a time, in a village by the sea, there lived an old fisherman who',
    sampling: { temperature: 0.8, seed: 11 },
  },
];
const ways = ['off', 'auto', 'always'];

const engine = await createLlamaCppEngine();
const model = await engine.open(modelPath, {
  contextTokens: 1024,
  sequences: 1,
  threads: Number(values.threads),
  engineOptions: {
    ...{ keyType: 'f32', valueType: 'f32', flashAttention: 'off' },
    ...(values.draft && { draftModel: values.draft }),
  },
});
const report = { model: modelPath, threads: Number(values.threads), tokens: maxTokens, tasks: [] };
for (const { name, prompt, sampling } of tasks) {
  const times = Object.fromEntries(ways.map((way) => [way, []]));
  const latest = {};
  // The first round warms up, and `auto` learns in it what steps cost.
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const speculation of round % 2 === 0 ? ways : ways.toReversed()) {
      const run = await model.generate({ prompt, maxTokens, ...sampling, speculation });
      latest[speculation] = run;
      if (round >= 0) times[speculation].push(run.timings.decodeMs / run.tokens.length);
    }
  }
  const msPerToken = Object.fromEntries(ways.map((way) => [way, quiet(times[way])]));
  const gains = (way) => {
    const { draftedTokens, acceptedTokens } = latest[way].usage;
    return { ratio: msPerToken.off / msPerToken[way], draftedTokens, acceptedTokens };
  };
  const generatedTokens = latest.off.tokens.length;
  const sameTokens = Math.min(
    ...ways.map((way) => {
      const parting = latest.off.tokens.findIndex((token, at) => latest[way].tokens[at] !== token);
      return parting < 0 ? generatedTokens : parting;
    }),
  );
  const figures = { auto: gains('auto'), always: gains('always') };
  report.tasks.push({ name, generatedTokens, sameTokens, msPerToken, ...figures });
}
await engine.close();

if (values.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  console.log(`${modelPath}, ${values.threads} thread(s), ${values.rounds} rounds in turns`);
  for (const { name, generatedTokens, sameTokens, msPerToken, ...figures } of report.tasks) {
    console.log(`${name}: ${generatedTokens} tokens, the first ${sameTokens} the same in all ways`);
    console.log(`  off     ${msPerToken.off.toFixed(2)} ms a token`);
    for (const way of ['auto', 'always']) {
      const { ratio, draftedTokens, acceptedTokens } = figures[way];
      console.log(
        `  ${way.padEnd(8)}${msPerToken[way].toFixed(2)} ms a token, ${ratio.toFixed(2)} times as fast, ${acceptedTokens} of ${draftedTokens} guesses right`,
      );
    }
  }
}
