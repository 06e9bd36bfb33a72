import { greedySpec } from '../../../../scripts/lib/driver-runner.mjs';
import { createLlamaCppDriver } from '../../dist/index.js';

/** This engine, driven below core: the peers have nothing above their engines either. */
export async function open({ model: path, threads, context, batch, sequences }) {
  const driver = await createLlamaCppDriver();
  const model = await driver.open(
    { format: 'gguf', files: [{ path, role: 'weights' }] },
    { contextTokens: context, sequences, threads, engineOptions: { batchTokens: batch } },
  );
  const free = [];
  return {
    async *generate(prompt, maxTokens, signal) {
      const sequence = free.pop() ?? (await model.createSequence());
      try {
        for await (const { tokens } of sequence.generate(prompt, greedySpec(maxTokens), signal)) {
          yield* tokens;
        }
      } finally {
        await sequence.truncate(0);
        free.push(sequence);
      }
    },
    encode: (text) => model.tokenizer.encode(text).length,
  };
}
