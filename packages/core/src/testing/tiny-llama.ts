import {
  type GgufWriterInput,
  type GgufWriterTensor,
  type GgufWriterValue,
  writeGguf,
} from './gguf-writer.js';
import { f32Tensor, normalNumbers } from './random-weights.js';

/** Options of {@link tinyLlamaGguf}. */
export interface TinyLlamaOptions {
  /** Seed of the weights, an integer; the same seed gives the same bytes. Default 1. */
  readonly seed?: number;
  /** Layers, at least 1. Default 2; in a model of one a token's keys and values depend on it alone. */
  readonly layers?: number;
  /** Metadata to put in, replace, or (as `undefined`) leave out, for tests of odd files. */
  readonly metadata?: Readonly<Record<string, GgufWriterValue | undefined>>;
  /** Tensors to put in beside its own, for tests of odd files. */
  readonly tensors?: readonly GgufWriterTensor[];
}

const embedding = 64;
const heads = 4;
const kvHeads = 2;
const headLength = embedding / heads;
const feedForward = 128;

const controlTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];

/** A few merges, so that a text is not simply its bytes. `Ġ` stands for a space. */
const merges = ['Ġ t', 'Ġ a', 'h e', 'i n', 'e r', 'o n', 'Ġt he', 'Ġ s'];

const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/**
 * A real model of the `llama` architecture with random weights, under 1 MB, that llama.cpp loads and
 * generates from: a byte-level vocabulary of 256 bytes, a few merged tokens and the
 * ChatML tokens, a ChatML template, a context of 2048 tokens. What it says is noise, bytes that are
 * no UTF-8 included.
 */
export function tinyLlamaGguf(options?: TinyLlamaOptions): Uint8Array {
  return writeGguf(tinyLlama(options));
}

/** The same model in several files; llama.cpp finds them by their names, `<name>-00001-of-00003.gguf`. */
export function tinyLlamaParts(count: number, options?: TinyLlamaOptions): Uint8Array[] {
  const { metadata, tensors } = tinyLlama(options);
  const most = Math.ceil(tensors.length / count);
  return Array.from({ length: count }, (_, part) =>
    writeGguf({
      metadata: {
        ...(part === 0 && metadata),
        'split.no': { type: 'uint16', value: part },
        'split.count': { type: 'uint16', value: count },
        'split.tensors.count': { type: 'int32', value: tensors.length },
      },
      tensors: tensors.slice(part * most, (part + 1) * most),
    }),
  );
}

function tinyLlama(
  options: TinyLlamaOptions = {},
): Required<Pick<GgufWriterInput, 'metadata' | 'tensors'>> {
  const { seed = 1, layers = 2 } = options;
  const tokens = [
    ...byteTokens(),
    ...merges.map((merge) => merge.replace(' ', '')),
    ...controlTokens,
  ];
  const firstControl = tokens.length - controlTokens.length;
  const u32 = (value: number) => ({ type: 'uint32', value }) as const;
  const f32 = (value: number) => ({ type: 'float32', value }) as const;
  return {
    metadata: {
      'general.architecture': 'llama',
      'general.name': 'Tiny Llama of random weights',
      'general.file_type': u32(0),
      'llama.context_length': u32(2048),
      'llama.embedding_length': u32(embedding),
      'llama.block_count': u32(layers),
      'llama.feed_forward_length': u32(feedForward),
      'llama.attention.head_count': u32(heads),
      'llama.attention.head_count_kv': u32(kvHeads),
      'llama.attention.layer_norm_rms_epsilon': f32(1e-5),
      'llama.rope.dimension_count': u32(headLength),
      'llama.rope.freq_base': f32(10_000),
      'llama.vocab_size': u32(tokens.length),
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'gpt-2',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': {
        type: 'array',
        elementType: 'int32',
        value: tokens.map((_, token) => (token < firstControl ? 1 : 3)),
      },
      'tokenizer.ggml.merges': merges,
      'tokenizer.ggml.bos_token_id': u32(tokens.indexOf('<|endoftext|>')),
      'tokenizer.ggml.eos_token_id': u32(tokens.indexOf('<|im_end|>')),
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.chat_template': chatTemplate,
      ...options.metadata,
    },
    tensors: [...tinyTensors(tokens.length, seed, layers), ...(options.tensors ?? [])],
  };
}

/** Writes {@link tinyLlamaGguf} to a file. Node alone. */
export async function writeTinyLlamaGguf(path: string, options?: TinyLlamaOptions): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  await writeFile(path, tinyLlamaGguf(options));
}

/**
 * The 256 bytes as GPT-2 spells them: printable Latin-1 characters stand for themselves, the others
 * are moved to the characters from U+0100 on.
 */
function byteTokens(): string[] {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : 0x100 + moved++);
  });
}

function tinyTensors(vocabularySize: number, seed: number, layers: number): GgufWriterTensor[] {
  const random = normalNumbers(seed);
  const matrix = (name: string, columns: number, rows: number): GgufWriterTensor => {
    // Variance 1/columns keeps activations near 1 through the layers.
    const scale = name === 'token_embd' ? 1 : 1 / Math.sqrt(columns);
    const weights = Float32Array.from({ length: columns * rows }, () => random() * scale);
    return f32Tensor(`${name}.weight`, [columns, rows], weights);
  };
  const norm = (name: string) =>
    f32Tensor(`${name}.weight`, [embedding], new Float32Array(embedding).fill(1));
  const block = (index: number) => [
    norm(`blk.${index}.attn_norm`),
    matrix(`blk.${index}.attn_q`, embedding, heads * headLength),
    matrix(`blk.${index}.attn_k`, embedding, kvHeads * headLength),
    matrix(`blk.${index}.attn_v`, embedding, kvHeads * headLength),
    matrix(`blk.${index}.attn_output`, heads * headLength, embedding),
    norm(`blk.${index}.ffn_norm`),
    matrix(`blk.${index}.ffn_gate`, embedding, feedForward),
    matrix(`blk.${index}.ffn_up`, embedding, feedForward),
    matrix(`blk.${index}.ffn_down`, feedForward, embedding),
  ];
  return [
    matrix('token_embd', embedding, vocabularySize),
    ...Array.from({ length: layers }, (_, index) => block(index)).flat(),
    norm('output_norm'),
    matrix('output', embedding, vocabularySize),
  ];
}
