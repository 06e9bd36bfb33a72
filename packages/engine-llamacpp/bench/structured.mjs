/**
 * Measures what a JSON schema costs: the same prompt decoded freely and within a schema, in turns, one
 * sequence, as many tokens of each. CPU time of decoding and sampling alone; the prompt is computed before.
 *
 *   node bench/structured.mjs [--rounds 9] [--threads 1] [--tokens 96] [--model <file>] [--json]
 *
 * What decides is how often the model's own choice is refused, since only then all tokens are checked.
 * The three tasks differ in that: one shows the model what to write, one describes it, one does not tell.
 */

import { jsonSchemaToGrammar } from '@mobillm/core';
import { DriverRunner } from '../../../scripts/lib/driver-runner.mjs';
import { quiet } from '../../../scripts/lib/statistics.mjs';
import { createLlamaCppDriver } from '../dist/index.js';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  rounds: { type: 'string', default: '9' },
  tokens: { type: 'string', default: '96' },
});
const rounds = Number(values.rounds);
const tokens = Number(values.tokens);

const object = (properties) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
/** Lists too long to be finished: the schema holds for every token that is measured. */
const endless = (items) => ({ type: 'array', items, minItems: 100 });

const people = endless(
  object({
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    city: { type: 'string' },
  }),
);
const shown = ['Ada', 'Bob', 'Eva', 'Tom', 'Ida', 'Max']
  .map((name, index) => `{"name": "${name}", "age": ${30 + index}, "city": "Paris"}`)
  .join(', ');
const tasks = [
  { name: 'shown: copies a list of objects', schema: people, prompt: `[${shown}]\n[${shown}]\n` },
  {
    name: 'told: books as JSON',
    schema: endless(
      object({ title: { type: 'string' }, year: { type: 'integer' }, sold: { type: 'boolean' } }),
    ),
    prompt:
      'Here is a JSON list of famous books with the keys "title", "year" and "sold" (true or false):\n',
  },
  {
    name: 'not told: dates, ids and choices',
    schema: endless(
      object({
        id: { type: 'string', format: 'uuid' },
        on: { type: 'string', format: 'date-time' },
        kind: { enum: ['alpha', 'beta', 'gamma'] },
        code: { type: 'string', pattern: '^[A-Z]{3}-[0-9]{4}$' },
      }),
    ),
    prompt: 'Tell me a story about a dragon. Once upon a time,',
  },
];

const driver = await createLlamaCppDriver();
const runner = await DriverRunner.open(
  driver,
  { format: 'gguf', files: [{ path: modelPath, role: 'weights' }] },
  { context: 2048, batch: 512, threads: Number(values.threads) },
);
const report = [];
for (const { name, schema, prompt } of tasks) {
  const encoded = runner.model.tokenizer.encode(prompt);
  const grammar = { source: jsonSchemaToGrammar(schema), answerTokens: 0 };
  const times = { plain: [], schema: [] };
  let last;
  // The first round warms up: pages of the model, the vocabulary's tree.
  for (let round = -1; round < rounds; round++) {
    const turns = [
      ['plain', () => runner.run(encoded, tokens)],
      ['schema', async () => (last = await runner.run(encoded, tokens, { grammar }))],
    ];
    if (round % 2 === 0) turns.reverse();
    for (const [kind, run] of turns) {
      const result = await run();
      if (result.tokens.length !== tokens) {
        throw new Error(`${name}: ${result.tokens.length} tokens in place of ${tokens}`);
      }
      if (round >= 0) times[kind].push(result.decodeCpuMs / (tokens - 1));
    }
  }
  const [plain, held] = [quiet(times.plain), quiet(times.schema)];
  report.push({
    name,
    plainCpuMsPerToken: plain,
    schemaCpuMsPerToken: held,
    ratio: plain / held,
    rejectedShare: last.rejectedTokens / tokens,
    text: runner.model.tokenizer.decode(last.tokens),
  });
}
await runner.close();

if (values.json) {
  console.log(JSON.stringify({ model: modelPath, tokens, rounds, tasks: report }, null, 2));
} else {
  for (const { name, plainCpuMsPerToken, schemaCpuMsPerToken, ratio, rejectedShare } of report) {
    const bar =
      rejectedShare < 0.05 ? '≥ 0.95' : rejectedShare >= 0.2 ? '≥ 0.80' : 'none between 5 and 20 %';
    console.log(
      `${name.padEnd(36)}plain ${plainCpuMsPerToken.toFixed(2)}, schema ${schemaCpuMsPerToken.toFixed(2)} CPU ms a token, ` +
        `${ratio.toFixed(3)}   ${bar}   (${(100 * rejectedShare).toFixed(0)} % rejected)`,
    );
  }
}
