/** node-llama-cpp, by its own way to evaluate tokens. */
export async function open({ model: path, threads, context, batch, sequences }, { load }) {
  const { getLlama, LlamaLogLevel } = await load('node-llama-cpp');
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    logLevel: LlamaLogLevel.error,
    maxThreads: 0,
  });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const made = await model.createContext({
    // Its size is of each sequence, ours of all together.
    contextSize: Math.ceil(context / sequences),
    sequences,
    batchSize: batch,
    threads,
  });
  const free = Array.from({ length: sequences }, () => made.getSequence());
  return {
    async *generate(prompt, maxTokens, signal) {
      const sequence = free.pop();
      try {
        let left = maxTokens;
        const tokens = sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true });
        for await (const token of tokens) {
          signal?.throwIfAborted();
          yield token;
          if (--left === 0) break;
        }
      } finally {
        await sequence.clearHistory();
        free.push(sequence);
      }
    },
    encode: (text) => model.tokenize(text).length,
  };
}
