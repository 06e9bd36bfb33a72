import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GgufTensor, type ModelFiles, validateGgufFile } from '@mobillm/core';
import { type LoraGguf, loraGguf, type LoraGgufOptions } from '@mobillm/core/testing';

/** The tensors of a model file. */
export async function tensorsOf(path: string): Promise<readonly GgufTensor[]> {
  return (await validateGgufFile(path)).tensors;
}

/** A path as the files of an adapter. */
export function adapterFiles(path: string): ModelFiles {
  return { format: 'gguf', files: [{ path, role: 'adapter' }] };
}

/** Writes an adapter of random weights for a model. */
export async function writeLora(
  folder: string,
  modelPath: string,
  options: Omit<LoraGgufOptions, 'tensors'> = {},
): Promise<{ readonly path: string; readonly lora: LoraGguf }> {
  const lora = loraGguf({ tensors: await tensorsOf(modelPath), ...options });
  const path = join(folder, `lora-${Math.random().toString(36).slice(2)}.gguf`);
  writeFileSync(path, lora.bytes);
  return { path, lora };
}

/**
 * Writes a model of F32 weights with adapters merged into them by the published formula, W + scale · alpha
 * / rank · B·A, in 64-bit numbers.
 */
export async function writeMerged(
  folder: string,
  modelPath: string,
  uses: readonly { readonly lora: LoraGguf; readonly scale: number }[],
): Promise<string> {
  const bytes = readFileSync(modelPath);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { name, type, shape, offset } of await tensorsOf(modelPath)) {
    const [columns = 1, rows = 1] = shape;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = offset + 4 * (row * columns + column);
        let weight = view.getFloat32(place, true);
        for (const { lora, scale } of uses) {
          const pair = lora.pairs.get(name);
          if (!pair) continue;
          if (type.name !== 'F32') throw new Error(`${name} is not of F32`);
          const factor = (scale * (lora.alpha ?? lora.rank)) / lora.rank;
          weight += factor * product(name, pair, lora.rank, { row, column, columns });
        }
        view.setFloat32(place, weight, true);
      }
    }
  }
  const path = join(folder, `merged-${Math.random().toString(36).slice(2)}.gguf`);
  writeFileSync(path, bytes);
  return path;
}

/** One number of what a pair adds to a matrix, before any factor. */
function product(
  name: string,
  { a, b }: { readonly a: Float32Array; readonly b: Float32Array },
  rank: number,
  {
    row,
    column,
    columns,
  }: { readonly row: number; readonly column: number; readonly columns: number },
): number {
  let sum = 0;
  for (let k = 0; k < rank; k++) {
    sum +=
      name === 'token_embd.weight'
        ? a[row * rank + k]! * b[column * rank + k]!
        : b[row * rank + k]! * a[k * columns + column]!;
  }
  return sum;
}
