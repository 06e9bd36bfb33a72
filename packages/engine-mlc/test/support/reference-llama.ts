import { readFile } from 'node:fs/promises';
import { type LlamaParameters, readLlamaParameters, validateGgufFile } from '@mobillm/core';

type Vector = Float64Array<ArrayBuffer>;

/**
 * The model in plain double precision, straight from a GGUF file of F32 weights: slow, simple, and
 * with nothing of the compiler in it. Rotates queries and keys in the file's own pairs.
 */
export class ReferenceLlama {
  private constructor(
    private readonly bytes: Buffer,
    private readonly parameters: LlamaParameters,
  ) {}

  /** Reads the whole file. */
  static async open(path: string): Promise<ReferenceLlama> {
    return new ReferenceLlama(
      await readFile(path),
      readLlamaParameters(await validateGgufFile(path)),
    );
  }

  /** Logits after each token of a sequence. */
  logits(tokens: readonly number[]): Vector[] {
    const { tensors, embeddingLength, rmsEpsilon } = this.parameters;
    const embedding = this.weights(
      tensors.tokenEmbedding.offset,
      tensors.tokenEmbedding.elementCount,
    );
    let rows = tokens.map((token) =>
      Float64Array.from(embedding.subarray(token * embeddingLength, (token + 1) * embeddingLength)),
    );
    for (let layer = 0; layer < this.parameters.layers; layer++) rows = this.layer(rows, layer);
    return rows.map((row) =>
      this.product(tensors.output, this.norm(row, tensors.outputNorm, rmsEpsilon)),
    );
  }

  private layer(rows: readonly Vector[], index: number): Vector[] {
    const tensors = this.parameters.tensors.layers[index]!;
    const { rmsEpsilon } = this.parameters;
    const normed = rows.map((row) => this.norm(row, tensors.attentionNorm, rmsEpsilon));
    const queries = normed.map((row, at) => this.rotate(this.product(tensors.query, row), at));
    const keys = normed.map((row, at) => this.rotate(this.product(tensors.key, row), at));
    const values = normed.map((row) => this.product(tensors.value, row));
    return rows.map((row, at) => {
      const seen = this.attend(queries[at]!, keys.slice(0, at + 1), values.slice(0, at + 1));
      const added = sum(row, this.product(tensors.attentionOutput, seen));
      const inner = this.norm(added, tensors.feedForwardNorm, rmsEpsilon);
      const up = this.product(tensors.up, inner);
      const gated = this.product(tensors.gate, inner).map(
        (gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!,
      );
      return sum(added, this.product(tensors.down, gated));
    });
  }

  private attend(query: Vector, keys: readonly Vector[], values: readonly Vector[]): Vector {
    const { heads, kvHeads, headLength } = this.parameters;
    const result = new Float64Array(heads * headLength);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / kvHeads)) * headLength;
      const scores = keys.map((key) => {
        let score = 0;
        for (let d = 0; d < headLength; d++)
          score += query[head * headLength + d]! * key[shared + d]!;
        return Math.exp(score / Math.sqrt(headLength));
      });
      const total = scores.reduce((a, b) => a + b, 0);
      values.forEach((value, at) => {
        for (let d = 0; d < headLength; d++) {
          result[head * headLength + d]! += (scores[at]! / total) * value[shared + d]!;
        }
      });
    }
    return result;
  }

  private rotate(row: Vector, position: number): Vector {
    const { headLength, ropeBase, ropeScale } = this.parameters;
    return row.map((value, index) => {
      const pair = Math.floor((index % headLength) / 2);
      const angle = position * ropeScale * ropeBase ** ((-2 * pair) / headLength);
      const other = row[index ^ 1]!;
      return value * Math.cos(angle) + (index % 2 === 0 ? -other : other) * Math.sin(angle);
    });
  }

  private norm(row: Vector, tensor: { readonly offset: number }, epsilon: number): Vector {
    const weights = this.weights(tensor.offset, row.length);
    const square = row.reduce((total, value) => total + value * value, 0) / row.length;
    return row.map((value, i) => (value / Math.sqrt(square + epsilon)) * weights[i]!);
  }

  private product(
    tensor: { readonly offset: number; readonly shape: readonly number[] },
    row: Vector,
  ): Vector {
    const [columns = 0, rows = 0] = tensor.shape;
    const weights = this.weights(tensor.offset, columns * rows);
    return Float64Array.from({ length: rows }, (_, r) => {
      let total = 0;
      for (let c = 0; c < columns; c++) total += weights[r * columns + c]! * row[c]!;
      return total;
    });
  }

  private weights(offset: number, count: number): Float32Array {
    return new Float32Array(this.bytes.buffer, this.bytes.byteOffset + offset, count);
  }
}

function sum(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + b[i]!);
}
