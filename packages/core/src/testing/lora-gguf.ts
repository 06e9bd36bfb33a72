import { writeGguf, type GgufWriterValue } from './gguf-writer.js';
import { f32Tensor, normalNumbers } from './random-weights.js';

/** Options of {@link loraGguf}. */
export interface LoraGgufOptions {
  /** The model's tensors: those that are matrices of weights get a pair. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Which of them; by default the matrices of attention and feed-forward layers. */
  readonly changes?: (name: string) => boolean;
  /** The model's architecture; default `llama`. */
  readonly architecture?: string;
  /** Seed of the weights, an integer; default 1. */
  readonly seed?: number;
  /** Rank of each pair; default 4. */
  readonly rank?: number;
  /** Default 8; `undefined` leaves it out of the file. */
  readonly alpha?: number | undefined;
  /** Size of the numbers of a change, in those of a matrix with variance 1/columns; default 1. */
  readonly size?: number;
  /** Metadata to put in, replace, or (as `undefined`) leave out. */
  readonly metadata?: Readonly<Record<string, GgufWriterValue | undefined>>;
}

/** An adapter of random weights, and those weights. */
export interface LoraGguf {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Rank of each pair. */
  readonly rank: number;
  /** See {@link LoraGgufOptions.alpha}. */
  readonly alpha: number | undefined;
  /** By the name of the model's tensor, `a` and `b` as they lie in the file. */
  readonly pairs: ReadonlyMap<string, { readonly a: Float32Array; readonly b: Float32Array }>;
}

/** A LoRA adapter with random weights for a model, for tests of engines that load adapters. */
export function loraGguf(options: LoraGgufOptions): LoraGguf {
  const { seed = 1, rank = 4, size = 1, architecture = 'llama' } = options;
  const { changes = (name) => /^blk\.\d+\.(attn|ffn)_\w+\.weight$/u.test(name) } = options;
  const alpha = 'alpha' in options ? options.alpha : 8;
  const random = normalNumbers(seed);
  const matrix = (columns: number, rows: number, scale: number) =>
    Float32Array.from({ length: columns * rows }, () => random() * scale);
  const factor = (alpha ?? rank) / rank;
  const pairs = new Map<string, { a: Float32Array; b: Float32Array }>();
  const tensors = options.tensors.filter(({ name, shape }) => shape.length === 2 && changes(name));
  const written = tensors.flatMap(({ name, shape: [columns = 1, rows = 1] }) => {
    // The product of both then has the variance size² / columns.
    const scale = size / factor / Math.sqrt(rank * columns);
    // Embeddings are looked up, so their first half lies the other way round.
    const embeds = name === 'token_embd.weight';
    const [a, b] = [
      matrix(columns, rank, embeds ? 1 : scale),
      matrix(rank, rows, embeds ? scale : 1),
    ];
    pairs.set(name, embeds ? { a: b, b: a } : { a, b });
    return embeds
      ? [
          f32Tensor(`${name}.lora_a`, [rank, rows], b),
          f32Tensor(`${name}.lora_b`, [rank, columns], a),
        ]
      : [
          f32Tensor(`${name}.lora_a`, [columns, rank], a),
          f32Tensor(`${name}.lora_b`, [rank, rows], b),
        ];
  });
  const bytes = writeGguf({
    metadata: {
      'general.type': 'adapter',
      'general.architecture': architecture,
      'general.name': 'Random LoRA',
      'adapter.type': 'lora',
      'adapter.lora.alpha': alpha === undefined ? undefined : { type: 'float32', value: alpha },
      ...options.metadata,
    },
    tensors: written,
  });
  return { bytes, rank, alpha, pairs };
}
