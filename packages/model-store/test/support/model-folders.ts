import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tensor, writeSafetensors } from './safetensors-writer.js';

/** The files of a folder by their paths in it. */
export type Folder = Readonly<Record<string, Uint8Array>>;

export const text = (words: string) => new TextEncoder().encode(words);
export const json = (value: unknown) => text(JSON.stringify(value));
export const sumOf = (kind: 'md5' | 'sha256', bytes: Uint8Array) =>
  createHash(kind).update(bytes).digest('hex');
/** Bytes that say nothing, others for each seed. */
export const noise = (length: number, seed: number) =>
  new Uint8Array(length).map((_, index) => (index * 31 + seed * 17) % 253);

const tokenizer = {
  'tokenizer.json': json({ version: '1.0', model: { type: 'BPE' } }),
  'tokenizer_config.json': json({ chat_template: '{{ messages }}' }),
};
/** What a repository has beside a model, and no pull takes. */
export const rubbish: Folder = {
  '.gitattributes': text('*.bin filter=lfs'),
  'README.md': text('# A model'),
  'pytorch_model.bin': noise(2000, 9),
  'original/consolidated.00.pth': noise(2000, 8),
  'consolidated.safetensors': noise(2000, 7),
};

/** A folder as MLC's own tools write it: two shards, no library. */
export function mlcFolder(index = 'tensor-cache.json'): Folder {
  const shards = [noise(3000, 1), noise(1500, 2)];
  const record = (name: string, bytes: number) => ({
    name,
    shape: [bytes / 4],
    dtype: 'uint32',
    format: 'raw',
    nbytes: bytes,
    byteOffset: 0,
  });
  return {
    'mlc-chat-config.json': json({
      version: '0.1.0',
      model_type: 'qwen2',
      quantization: 'q4f16_1',
      model_config: {
        hidden_size: 64,
        intermediate_size: 128,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        num_hidden_layers: 2,
        vocab_size: 300,
        context_window_size: 4096,
        prefill_chunk_size: 512,
        tie_word_embeddings: true,
      },
      vocab_size: 300,
      context_window_size: 4096,
      sliding_window_size: -1,
      prefill_chunk_size: 512,
      tokenizer_files: ['tokenizer.json', 'vocab.json'],
    }),
    [index]: json({
      metadata: { ParamSize: 2 },
      records: shards.map((bytes, number) => ({
        dataPath: `params_shard_${number}.bin`,
        format: 'raw-shard',
        nbytes: bytes.byteLength,
        md5sum: sumOf('md5', bytes),
        records: [record(`w${number}`, bytes.byteLength)],
      })),
    }),
    'params_shard_0.bin': shards[0]!,
    'params_shard_1.bin': shards[1]!,
    ...tokenizer,
    'vocab.json': json({}),
  };
}

/** A bundle as Qualcomm's AI Hub exports it: two context binaries in a folder below. */
export function genieFolder(
  change: (dialog: Record<string, unknown>) => unknown = (it) => it,
): Folder {
  const binaries = ['bin/tiny_w4a16_part_1_of_2.bin', 'bin/tiny_w4a16_part_2_of_2.bin'];
  const dialog = {
    version: 1,
    type: 'basic',
    context: { version: 1, size: 4096, 'n-vocab': 128256, 'bos-token': -1, 'eos-token': [1] },
    sampler: { version: 1, seed: 42 },
    tokenizer: { version: 1, path: 'tokenizer.json' },
    engine: {
      version: 1,
      'n-threads': 3,
      backend: {
        version: 1,
        type: 'QnnHtp',
        QnnHtp: { version: 1, 'use-mmap': true, 'kv-dim': 128 },
        extensions: 'htp_backend_ext_config.json',
      },
      model: { version: 1, type: 'binary', binary: { version: 1, 'ctx-bins': binaries } },
    },
  };
  return {
    'genie_config.json': json({ dialog: change(dialog) }),
    'htp_backend_ext_config.json': json({ devices: [{ soc_model: 57, dsp_arch: 'v75' }] }),
    [binaries[0]!]: noise(4000, 3),
    [binaries[1]!]: noise(2500, 4),
    'tokenizer.json': tokenizer['tokenizer.json'],
  };
}

/** What this project's compiler for Qualcomm's NPUs writes. */
export function qnnFolder(): Folder {
  const binary = noise(1000, 5);
  return {
    'qnn-model.json': json({
      formatVersion: 1,
      name: 'Tiny Llama',
      derivedFrom: {
        sourceSha256: 'a'.repeat(64),
        architecture: 'llama',
        vocabularySha256: 'b'.repeat(64),
      },
      parameters: {
        layers: 2,
        embeddingLength: 64,
        feedForwardLength: 128,
        heads: 4,
        kvHeads: 2,
        headLength: 16,
        vocabularySize: 267,
        rmsEpsilon: 1e-5,
        ropeBase: 10_000,
        ropeScale: 1,
        trainedContextTokens: 2048,
        parameterCount: 100_000,
      },
      contextTokens: 512,
      dtype: 'f16',
      ropePairing: 'neox',
      graphs: [{ name: 'decode', tokens: 1 }],
      binaries: [{ file: 'model.bin', bytes: 1000, sha256: sumOf('sha256', binary) }],
      madeWith: {
        buildId: 'v2.51.0',
        coreApi: '2.40.0',
        backendApi: '5.51.0',
        socModel: 57,
        htpArch: 75,
      },
      sharedWeights: false,
    }),
    'model.bin': binary,
    ...tokenizer,
  };
}

export const hubConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 2048,
  vocab_size: 300,
};

/** A model as it is published for `transformers`, in one file or split over two in a folder below. */
export function safetensorsFolder(split = false): Folder {
  const first = [tensor('model.embed_tokens.weight', 'BF16', [300, 64])];
  const second = [
    tensor('model.layers.0.mlp.up_proj.weight', 'BF16', [128, 64]),
    tensor('model.norm.weight', 'F32', [64]),
  ];
  const common = { 'config.json': json(hubConfig), ...tokenizer, LICENSE: text('MIT') };
  if (!split) return { ...common, 'model.safetensors': writeSafetensors([...first, ...second]) };
  const shards = {
    'model-00001-of-00002.safetensors': first,
    'more/model-00002-of-00002.safetensors': second,
  };
  const weightMap = Object.entries(shards).flatMap(([path, tensors]) =>
    tensors.map(({ name }) => [name, path] as const),
  );
  return {
    ...common,
    'model.safetensors.index.json': json({
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries(weightMap),
    }),
    ...Object.fromEntries(
      Object.entries(shards).map(([path, tensors]) => [path, writeSafetensors(tensors)]),
    ),
  };
}

/** Writes a folder's files, and returns its path. */
export async function writeFolder(path: string, files: Folder): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), bytes);
  }
  return path;
}
