import { greedySpec } from '../../../../scripts/lib/driver-runner.mjs';
import { createLlamaCppDriver, createLlamaCppEngine } from '../../dist/index.js';

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
    encode: (texts) => model.tokenizer.encodeBatch(texts),
  };
}

/** With core above it, as an application uses it. */
export async function openChat({ model: path, threads, context, batch }) {
  const engine = await createLlamaCppEngine();
  const model = await engine.open(path, {
    contextTokens: context,
    sequences: 1,
    threads,
    engineOptions: { batchTokens: batch },
  });
  return {
    async begin(system) {
      const session = await model.createSession({ system });
      return {
        async say(text, maxTokens, onText) {
          for await (const event of session.send(text, { maxTokens, temperature: 0 })) {
            if (event.type === 'text') onText();
          }
        },
        end: () => session.close(),
      };
    },
  };
}
