import { createHybridEngine } from '@mobillm/core';
import { createLlamaCppEngine } from '@mobillm/engine-llamacpp';
import { createQnnEngine } from '@mobillm/engine-qnn';
import { createQnnCompiler } from '@mobillm/engine-qnn/compile';

const [gguf, folder, ...prompts] = process.argv.slice(2);
if (gguf === undefined || folder === undefined || prompts.length === 0) {
  console.error(
    'usage: npm start -- <model.gguf> <folder for the NPU model> <prompt> [<next prompt> …]',
  );
  process.exit(2);
}

// The NPU runs graphs that were made for it. They are made of the same file that the CPU opens: keys
// and values of one are only good for the other when the weights are the same.
const npuFiles = await createQnnCompiler().compile(gguf, {
  folder,
  onProgress: ({ step, share }) =>
    console.error(`${(100 * share).toFixed(0).padStart(3)} % ${step}`),
});

await using npu = await createQnnEngine();
await using cpu = await createLlamaCppEngine();
await using engine = createHybridEngine({
  prefill: { engine: npu, files: npuFiles },
  decode: { engine: cpu, files: gguf },
});
await using model = await engine.open();
await using session = await model.createSession();

for (const prompt of prompts) {
  const run = session.send(prompt, { maxTokens: 48, temperature: 0 });
  for await (const text of run.textStream()) process.stdout.write(text);
  process.stdout.write('\n');
  const { usage, timings, placement } = await run;
  const { prefill, decode } = placement.phases ?? { prefill: placement, decode: placement };
  console.error(
    [
      `prefill: ${usage.promptTokens - usage.cachedTokens} new of ${usage.promptTokens} prompt tokens in ${timings.prefillMs.toFixed(0)} ms on ${prefill.library}`,
      `decode:  ${usage.completionTokens} tokens in ${timings.decodeMs.toFixed(0)} ms on ${decode.library}`,
    ].join('\n'),
  );
}
