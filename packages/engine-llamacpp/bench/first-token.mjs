/** A whole process up to the first token, as `bench.mjs` starts it: prints milliseconds by part. */

const startedAt = performance.now();
const { createLlamaCppEngine } = await import('../dist/index.js');
const importedAt = performance.now();
const engine = await createLlamaCppEngine();
const model = await engine.open(process.argv[2], { contextTokens: 2048, threads: 1 });
const openedAt = performance.now();
const run = model.generate({ prompt: 'The capital of France is', maxTokens: 1, temperature: 0 });
const { tokens } = await run;
const firstTokenAt = performance.now();
// Time zero of `performance` is the start of the process.
console.log(
  JSON.stringify({
    nodeMs: startedAt,
    importMs: importedAt - startedAt,
    openMs: openedAt - importedAt,
    firstTokenMs: firstTokenAt - openedAt,
    totalMs: firstTokenAt,
    tokens: tokens.length,
  }),
);
await engine.close();
