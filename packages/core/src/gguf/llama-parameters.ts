import type { TransformerShape } from '../formats/transformer-shape.js';
import type { GgufTensor } from './gguf-layout.js';

/** Tensors of one layer, each a matrix of `[columns, rows]` or a vector. */
export interface LlamaLayerTensors {
  /** RMS norm before attention: `[embedding]`. */
  readonly attentionNorm: GgufTensor;
  /** `[embedding, heads × headLength]`, rows of each head rotated in pairs (2i, 2i + 1). */
  readonly query: GgufTensor;
  /** `[embedding, kvHeads × headLength]`, rows as those of `query`. */
  readonly key: GgufTensor;
  /** `[embedding, kvHeads × headLength]`. */
  readonly value: GgufTensor;
  /** `[heads × headLength, embedding]`. */
  readonly attentionOutput: GgufTensor;
  /** RMS norm before the feed-forward network: `[embedding]`. */
  readonly feedForwardNorm: GgufTensor;
  /** `[embedding, feedForward]`, goes through SiLU. */
  readonly gate: GgufTensor;
  /** `[embedding, feedForward]`. */
  readonly up: GgufTensor;
  /** `[feedForward, embedding]`. */
  readonly down: GgufTensor;
}

/** Tensors of a model by what they are for. */
export interface LlamaTensors {
  /** `[embedding, vocabulary]`. */
  readonly tokenEmbedding: GgufTensor;
  /** RMS norm before the output: `[embedding]`. */
  readonly outputNorm: GgufTensor;
  /** `[embedding, vocabulary]`; the token embedding itself where the two are tied. */
  readonly output: GgufTensor;
  /** By layer, the first first. */
  readonly layers: readonly LlamaLayerTensors[];
}

/** What a compiler has to know of a Llama model, all of it checked against the tensors' shapes. */
export interface LlamaParameters extends TransformerShape {
  /** Always `llama`; others are refused. */
  readonly architecture: 'llama';
  /** Divides `heads`. */
  readonly kvHeads: number;
  /** Values of a head of any kind; even. */
  readonly headLength: number;
  /** Tokens in the vocabulary. */
  readonly vocabularySize: number;
  /** Added to the mean square in every RMS norm. */
  readonly rmsEpsilon: number;
  /** Frequency base of the rotation. */
  readonly ropeBase: number;
  /** Factor on positions before the rotation: 1 for none, 0.25 for linear scaling by 4. */
  readonly ropeScale: number;
  /** How GGUF orders the rows of query and key: always pairs that lie side by side. */
  readonly ropePairing: 'interleaved';
  /** Context in tokens that the model was trained for. */
  readonly trainedContextTokens: number;
  /** Whether the output uses the token embedding's weights. */
  readonly tiedEmbedding: boolean;
  /** The tensors. */
  readonly tensors: LlamaTensors;
}
