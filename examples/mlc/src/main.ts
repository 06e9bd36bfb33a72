import { parseArgs } from 'node:util';
import type { CompileProgress } from '@mobillm/core';
import { createMlcEngine } from '@mobillm/engine-mlc';
import { createMlcCompiler } from '@mobillm/engine-mlc/compile';

const usage =
  'usage: npm start -- <model.gguf> <folder for the compiled model> <prompt> [--quantization q4f32|f32] [--max-tokens <count>]';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quantization: { type: 'string', default: 'q4f32' },
    'max-tokens': { type: 'string', default: '128' },
  },
});
const [source, folder, prompt] = positionals;
if (source === undefined || folder === undefined || prompt === undefined) {
  console.error(usage);
  process.exit(2);
}

// Compiled once: a second run finds the same source and options, and takes what is there.
const files = await createMlcCompiler().compile(source, {
  folder,
  compilerOptions: { quantization: values.quantization },
  onProgress: tell,
});

await using engine = await createMlcEngine();
await using model = await engine.open(files);
const run = model.generate({
  messages: [{ role: 'user', content: prompt }],
  maxTokens: Number(values['max-tokens']),
  temperature: 0,
});
for await (const text of run.textStream()) process.stdout.write(text);

const { timings, placement } = await run;
const speed = (tokensPerSecond = 0) => `${tokensPerSecond.toFixed(0)} tokens/s`;
console.error(
  `\n${placement.library}: prompt ${speed(timings.prefillTokensPerSecond)}, answer ${speed(timings.decodeTokensPerSecond)}`,
);

function tell({ step, share }: CompileProgress): void {
  console.error(`${(100 * share).toFixed(0).padStart(3)} % ${step}`);
}
