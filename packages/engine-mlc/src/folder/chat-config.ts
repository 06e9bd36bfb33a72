import { check, type KvLineage, MobillmError } from '@mobillm/core';
import {
  checkContent,
  fields,
  fileName,
  list,
  optional,
  required,
  sha256,
  shortText,
} from './fields.js';

/** The name of a folder's configuration. */
export const configFileName = 'mlc-chat-config.json';

/** Measures of a model, as far as the configuration says them. */
export interface ModelMeasures {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headLength: number;
  readonly tiedEmbedding: boolean;
}

/** The machine that a library was compiled for. */
export interface CompiledTarget {
  /** LLVM's name of it: `x86_64-unknown-linux-gnu`. */
  readonly triple: string;
  /** LLVM's name of the processor: `x86-64-v3`, `apple-m1`. */
  readonly cpu: string;
  /** Instruction sets that its code uses, in LLVM's words: `avx2`, `+dotprod`. */
  readonly features: readonly string[];
}

/** What our own compiler writes beside MLC's keys. */
export interface OwnConfig {
  readonly derivedFrom: KvLineage;
  readonly ropePairing: 'neox';
  readonly target: CompiledTarget;
  readonly library: { readonly file: string; readonly sha256: string; readonly bytes: number };
  readonly trainedContextTokens: number;
}

/** What `mlc-chat-config.json` says, checked. */
export interface ChatConfig {
  readonly architecture: string;
  /** MLC's name: `q4f16_1`, `q0f32`. */
  readonly quantization: string;
  /** Rows of the logits; the tokenizer may have fewer tokens. */
  readonly vocabularySize: number;
  readonly trainedContextTokens: number;
  /** Most tokens of one prefill step. */
  readonly chunkTokens: number;
  readonly measures: ModelMeasures;
  /** Only where our own compiler made the folder. */
  readonly own: OwnConfig | undefined;
}

const count = (max: number) => check.integer({ min: 1, max });

const checkModelConfig = fields({
  hidden_size: required(count(2 ** 20)),
  intermediate_size: optional(count(2 ** 24)),
  num_attention_heads: required(count(2 ** 16)),
  num_key_value_heads: optional(count(2 ** 16)),
  num_hidden_layers: required(count(2 ** 12)),
  head_dim: optional(count(2 ** 16)),
  vocab_size: optional(count(2 ** 26)),
  context_window_size: optional(check.integer({ min: -1, max: 2 ** 30 })),
  max_position_embeddings: optional(count(2 ** 30)),
  prefill_chunk_size: optional(count(2 ** 20)),
  tie_word_embeddings: optional(check.boolean),
});

const checkOwn = fields({
  formatVersion: required(count(2 ** 20)),
  derivedFrom: required(
    fields({
      sourceSha256: required(sha256),
      architecture: required(shortText),
      vocabularySha256: required(sha256),
    }),
  ),
  ropePairing: required(check.oneOf('neox')),
  target: required(
    fields({
      triple: required(shortText),
      cpu: required(check.string()),
      features: required(list(shortText, 1024)),
    }),
  ),
  library: required(
    fields({
      file: required(fileName),
      sha256: required(sha256),
      bytes: required(count(2 ** 40)),
    }),
  ),
  parameters: required(fields({ trainedContextTokens: required(count(2 ** 30)) })),
});

const checkConfig = fields({
  model_type: required(shortText),
  quantization: required(shortText),
  model_config: required(checkModelConfig),
  vocab_size: optional(count(2 ** 26)),
  context_window_size: optional(check.integer({ min: -1, max: 2 ** 30 })),
  sliding_window_size: optional(check.integer({ min: -1, max: 2 ** 30 })),
  prefill_chunk_size: optional(count(2 ** 20)),
  mobillm: optional(check.record),
});

/**
 * Checks the content of an `mlc-chat-config.json`.
 *
 * @throws MobillmError `MODEL_INVALID`; `MODEL_UNSUPPORTED` for a newer format of ours, and for a
 * sliding window.
 */
export function parseChatConfig(content: unknown, path: string): ChatConfig {
  const config = checkContent(checkConfig, content, path);
  const own = config.mobillm && parseOwn(config.mobillm, path);
  const model = config.model_config;
  if ((config.sliding_window_size ?? -1) > 0) {
    throw unsupported(path, 'its attention has a sliding window', 'Compile it without one.');
  }
  const vocabularySize = config.vocab_size ?? model.vocab_size;
  const chunkTokens = config.prefill_chunk_size ?? model.prefill_chunk_size;
  const window = [
    model.max_position_embeddings,
    model.context_window_size,
    config.context_window_size,
  ];
  const trained =
    own?.trainedContextTokens ?? window.find((size) => size !== undefined && size > 0);
  if (vocabularySize === undefined || chunkTokens === undefined || trained === undefined) {
    throw new MobillmError(
      'MODEL_INVALID',
      `${path} is not sound: it does not say vocab_size, prefill_chunk_size or context_window_size. Compile or download the model again.`,
      { details: { path } },
    );
  }
  return {
    architecture: own?.derivedFrom.architecture ?? config.model_type,
    quantization: config.quantization,
    vocabularySize,
    trainedContextTokens: trained,
    chunkTokens,
    measures: {
      layers: model.num_hidden_layers,
      embeddingLength: model.hidden_size,
      feedForwardLength: model.intermediate_size ?? 4 * model.hidden_size,
      heads: model.num_attention_heads,
      kvHeads: model.num_key_value_heads ?? model.num_attention_heads,
      headLength: model.head_dim ?? Math.ceil(model.hidden_size / model.num_attention_heads),
      tiedEmbedding: model.tie_word_embeddings ?? false,
    },
    own,
  };
}

function parseOwn(content: unknown, path: string): OwnConfig {
  const { formatVersion } = checkContent(
    fields({ formatVersion: required(count(2 ** 20)) }),
    content,
    path,
  );
  if (formatVersion !== 1) {
    throw unsupported(
      path,
      `it has the format version ${formatVersion}, and this engine reads 1`,
      'Compile it again, or update @mobillm/engine-mlc.',
    );
  }
  const { parameters, ...own } = checkContent(checkOwn, content, path);
  return { ...own, trainedContextTokens: parameters.trainedContextTokens };
}

function unsupported(path: string, reason: string, remedy: string): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model of ${path} cannot be run: ${reason}. ${remedy}`,
    {
      details: { path, reason },
    },
  );
}
