import { writeGguf, type GgufWriterTensor, type GgufWriterValue } from './gguf-writer.js';
import { f32Tensor, normalNumbers } from './random-weights.js';

/** Options of {@link tinyBert}. */
export interface TinyBertOptions {
  /** `bert` (the default) has learned positions and a GELU; `nomic-bert` rotated ones and a gate. */
  readonly architecture?: 'bert' | 'nomic-bert';
  /** Seed of the weights, an integer; the same seed gives the same bytes. Default 1. */
  readonly seed?: number;
  /** Whether it has a head that scores a pair of texts. Default `false`. */
  readonly ranks?: boolean;
  /** Metadata to put in, replace, or (as `undefined`) leave out, for tests of odd files. */
  readonly metadata?: Readonly<Record<string, GgufWriterValue | undefined>>;
}

/** An encoder of random weights, and what a reference needs of it. */
export interface TinyBert {
  /** The file. */
  readonly gguf: Uint8Array;
  /** Its tensors by name: rows one after another, the last extent the number of rows. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Numbers of a token's vector. */
  readonly embedding: number;
  /** Attention heads. */
  readonly heads: number;
  /** Layers. */
  readonly layers: number;
  /** Added to variances before their root. */
  readonly epsilon: number;
}

const shape = { embedding: 64, heads: 4, layers: 2, feedForward: 96, contextTokens: 192 } as const;
const epsilon = 1e-5;

const controlTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789.,!?'];
const words = ['the', 'cat', 'sat', 'on', 'mat', 'sun', 'moon'];

/**
 * A real BERT with random weights, under 1 MB, that llama.cpp loads: a WordPiece vocabulary of letters
 * and a few words, a context of 192 tokens, pooling by the mean.
 */
export function tinyBert(options: TinyBertOptions = {}): TinyBert {
  const { architecture = 'bert', seed = 1, ranks = false } = options;
  // A word begins with `▁`; what goes on in it has no mark.
  const tokens = [
    ...controlTokens,
    ...letters.map((letter) => `▁${letter}`),
    ...letters,
    ...words.map((word) => `▁${word}`),
  ];
  const u32 = (value: number) => ({ type: 'uint32', value }) as const;
  const tensors = bertTensors(architecture, tokens.length, seed, ranks);
  const gguf = writeGguf({
    metadata: {
      'general.architecture': architecture,
      'general.name': 'Tiny BERT of random weights',
      'general.file_type': u32(0),
      [`${architecture}.context_length`]: u32(shape.contextTokens),
      [`${architecture}.embedding_length`]: u32(shape.embedding),
      [`${architecture}.block_count`]: u32(shape.layers),
      [`${architecture}.feed_forward_length`]: u32(shape.feedForward),
      [`${architecture}.attention.head_count`]: u32(shape.heads),
      [`${architecture}.attention.layer_norm_epsilon`]: { type: 'float32', value: epsilon },
      [`${architecture}.attention.causal`]: false,
      [`${architecture}.pooling_type`]: u32(1),
      ...(architecture === 'nomic-bert' && {
        [`${architecture}.rope.freq_base`]: { type: 'float32', value: 10_000 },
      }),
      'tokenizer.ggml.model': 'bert',
      'tokenizer.ggml.pre': 'jina-v2-en',
      'tokenizer.ggml.token_type_count': u32(2),
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': {
        type: 'array',
        elementType: 'int32',
        value: tokens.map((token) =>
          token === '[UNK]' ? 2 : controlTokens.includes(token) ? 3 : 1,
        ),
      },
      ...Object.fromEntries(
        Object.entries({ padding: 0, unknown: 1, bos: 2, cls: 2, seperator: 3, mask: 4 }).map(
          ([name, token]) => [`tokenizer.ggml.${name}_token_id`, u32(token)] as const,
        ),
      ),
      ...options.metadata,
    },
    tensors,
  });
  const { embedding, heads, layers } = shape;
  const weights = new Map(
    tensors.map(({ name, data }) => [name, new Float32Array(data.buffer)] as const),
  );
  return { gguf, weights, embedding, heads, layers, epsilon };
}

function bertTensors(
  architecture: string,
  vocabularySize: number,
  seed: number,
  ranks: boolean,
): GgufWriterTensor[] {
  const random = normalNumbers(seed);
  const { embedding, feedForward, layers, contextTokens } = shape;
  const tensor = (name: string, columns: number, rows: number, scale: number, middle = 0) =>
    f32Tensor(
      name,
      rows === 1 ? [columns] : [columns, rows],
      Float32Array.from({ length: columns * rows }, () => middle + random() * scale),
    );
  const bert = architecture === 'bert';
  const matrix = (name: string, columns: number, rows: number, bias = bert) => [
    tensor(`${name}.weight`, columns, rows, 1 / Math.sqrt(columns)),
    ...(bias ? [tensor(`${name}.bias`, rows, 1, 0.2)] : []),
  ];
  // Neither 1 nor 0, so that one that is left out shows.
  const norm = (name: string) => [
    tensor(`${name}.weight`, embedding, 1, 0.2, 1),
    tensor(`${name}.bias`, embedding, 1, 0.2),
  ];
  const block = (index: number) => [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].flatMap((name) =>
      matrix(`blk.${index}.${name}`, embedding, embedding),
    ),
    ...norm(`blk.${index}.attn_output_norm`),
    ...matrix(`blk.${index}.ffn_up`, embedding, feedForward),
    ...(bert ? [] : matrix(`blk.${index}.ffn_gate`, embedding, feedForward)),
    ...matrix(`blk.${index}.ffn_down`, feedForward, embedding),
    ...norm(`blk.${index}.layer_output_norm`),
  ];
  return [
    tensor('token_embd.weight', embedding, vocabularySize, 1),
    tensor('token_types.weight', embedding, 2, 0.5),
    ...(bert ? [tensor('position_embd.weight', embedding, contextTokens, 0.5)] : []),
    ...norm('token_embd_norm'),
    ...Array.from({ length: layers }, (_, index) => block(index)).flat(),
    ...(ranks
      ? [
          ...matrix('cls', embedding, embedding, true),
          f32Tensor(
            'cls.output.weight',
            [embedding, 1],
            Float32Array.from({ length: embedding }, () => random() / Math.sqrt(embedding)),
          ),
          f32Tensor('cls.output.bias', [1], Float32Array.of(0.25)),
        ]
      : []),
  ];
}
