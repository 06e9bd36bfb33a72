/** @fugood/llama.node. It takes prompts as text alone, and one at a time. */
export async function open({ model: path, threads, context, batch, sequences }, { load }) {
  if (sequences !== 1) throw new Error('llama.node is measured with one sequence');
  const { loadModel, toggleNativeLog } = (await load('@fugood/llama.node')).default;
  // To its listeners, of whom there are none, instead of to the terminal.
  await toggleNativeLog(true);
  const made = await loadModel({
    model: path,
    n_ctx: context,
    n_batch: batch,
    n_ubatch: batch,
    n_threads: threads,
    n_gpu_layers: 0,
  });
  return {
    async *generate(prompt, maxTokens) {
      const text = await made.detokenize(prompt);
      // It calls back with each token, so they wait here until they are asked for.
      const tokens = [];
      let wake = () => {};
      let ended = false;
      const options = { prompt: text, n_predict: maxTokens, temperature: 0, ignore_eos: true };
      const done = made
        .completion(options, ({ token }) => {
          tokens.push(token);
          wake();
        })
        .finally(() => {
          ended = true;
          wake();
        });
      while (!ended || tokens.length > 0) {
        if (tokens.length > 0) yield tokens.shift();
        else await new Promise((resolve) => (wake = resolve));
      }
      await done;
    },
    async encode(texts) {
      const encoded = [];
      for (const text of texts) encoded.push(await made.tokenize(text));
      return encoded;
    },
  };
}
