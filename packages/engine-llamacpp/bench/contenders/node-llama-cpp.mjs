/** node-llama-cpp, by its own way to evaluate tokens. */
export async function open(settings, { load }) {
  const { context, model } = await openContext(settings, await load('node-llama-cpp'));
  const free = Array.from({ length: settings.sequences }, () => context.getSequence());
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
    encode: (texts) => texts.map((text) => model.tokenize(text)),
  };
}

/** By its chat session. */
export async function openChat(settings, { load }) {
  const library = await load('node-llama-cpp');
  const { context } = await openContext(settings, library);
  const contextSequence = context.getSequence();
  return {
    begin(systemPrompt) {
      const session = new library.LlamaChatSession({
        contextSequence,
        systemPrompt,
        autoDisposeSequence: false,
      });
      return {
        say: (text, maxTokens, onTextChunk) =>
          session.prompt(text, { maxTokens, temperature: 0, onTextChunk }),
        async end() {
          session.dispose();
          await contextSequence.clearHistory();
        },
      };
    },
  };
}

async function openContext({ model: modelPath, threads, context, batch, sequences }, library) {
  const { getLlama, LlamaLogLevel } = library;
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    logLevel: LlamaLogLevel.error,
    maxThreads: 0,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const made = await model.createContext({
    // Its size is of each sequence, ours of all together.
    contextSize: Math.ceil(context / sequences),
    sequences,
    batchSize: batch,
    threads,
  });
  return { model, context: made };
}
