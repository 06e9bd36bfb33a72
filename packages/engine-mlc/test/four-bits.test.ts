import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GgufTensor, readLlamaParameters, validateGgufFile } from '@mobillm/core';
import { drive, withSequence, writeTinyLlamaGguf } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { createMlcCompiler } from '../src/compile/index.js';
import { createMlcDriver } from '../src/index.js';
import { filesOf, temporaryFolder } from './support/models.js';
import { ReferenceLlama } from './support/reference-llama.js';

const folder = temporaryFolder();
const groupWeights = 32;

/** Rounds the matrices of a GGUF file of F32 weights to numbers that 4 bits and a scale can hold. */
async function roundToFourBits(path: string): Promise<void> {
  const { tensors } = readLlamaParameters(await validateGgufFile(path));
  const bytes = await readFile(path);
  const layers = tensors.layers.flatMap((layer) => Object.values(layer) as readonly GgufTensor[]);
  const matrices = [tensors.tokenEmbedding, tensors.output, ...layers].filter(
    ({ shape }) => shape.length === 2,
  );
  for (const { offset, elementCount } of matrices) {
    const weights = new Float32Array(bytes.buffer, bytes.byteOffset + offset, elementCount);
    for (let start = 0; start < elementCount; start += groupWeights) {
      const group = weights.subarray(start, start + groupWeights);
      const scale = Math.fround(Math.max(...group.map(Math.abs)) / 7);
      group.forEach((weight, index) => {
        group[index] = Math.round(weight / scale) * scale;
      });
    }
  }
  await writeFile(path, bytes);
}

it('computes in 4 bits what 4 bits can hold as double precision does, in the engine itself', async () => {
  const source = join(folder, 'tiny.gguf');
  await writeTinyLlamaGguf(source);
  await roundToFourBits(source);
  const compiled = join(folder, 'q4');
  await createMlcCompiler().compile(source, {
    folder: compiled,
    compilerOptions: { quantization: 'q4f32' },
  });
  const tokens = Array.from({ length: 60 }, (_, i) => (i * 37 + 11) % 256);
  const expected = (await ReferenceLlama.open(source)).logits(tokens);

  const driver = await createMlcDriver();
  const model = await driver.open(filesOf(compiled), {
    contextTokens: 128,
    sequences: 1,
    threads: 1,
    engineOptions: { batchTokens: 32 },
  });
  try {
    await withSequence(model, async (sequence) => {
      // A prompt of two steps, then a single token.
      for (const [start, end] of [
        [0, 59],
        [59, 60],
      ] as const) {
        await drive(sequence, tokens.slice(start, end), { maxTokens: 0, keepLogits: true });
        const { nextLogits } = await sequence.exportKv!({ fromToken: end });
        const difference = nextLogits!.reduce(
          (most, logit, index) => Math.max(most, Math.abs(logit - expected[end - 1]![index]!)),
          0,
        );
        expect(difference).toBeLessThan(1e-4);
      }
    });
  } finally {
    await model.close();
    await driver.close?.();
  }
});
