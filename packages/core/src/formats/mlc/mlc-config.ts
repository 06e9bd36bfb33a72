import * as check from '../../errors/check-options.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import type { KvLineage } from '../../kv/kv-snapshot.js';
import {
  checkContent,
  object,
  fileName,
  list,
  optional,
  required,
  sha256,
  shortText,
} from '../fields.js';
import type { TransformerShape } from '../transformer-shape.js';

/** The name of the configuration of an MLC folder. */
export const mlcConfigFileName = 'mlc-chat-config.json';

/** Measures of a model, as far as the configuration says them. */
export interface MlcMeasures extends TransformerShape {
  /** Whether the token embedding is the output matrix too. */
  readonly tiedEmbedding: boolean;
}

/** The machine that a library was compiled for. */
export interface MlcCompiledTarget {
  /** LLVM's name of it: `x86_64-unknown-linux-gnu`. */
  readonly triple: string;
  /** LLVM's name of the processor: `x86-64-v3`, `apple-m1`. */
  readonly cpu: string;
  /** Instruction sets that its code uses, in LLVM's words: `avx2`, `+dotprod`. */
  readonly features: readonly string[];
}

/** What our own compiler writes beside MLC's keys. */
export interface MlcOwnConfig {
  /** The weights that it was compiled from. */
  readonly derivedFrom: KvLineage;
  /** Which values of a head are rotated against each other. */
  readonly ropePairing: 'neox';
  /** The machine that it was compiled for. */
  readonly target: MlcCompiledTarget;
  /** The model library: its name in the folder, its sha256 and its size. */
  readonly library: { readonly file: string; readonly sha256: string; readonly bytes: number };
  /** Context that the source was trained for, in tokens. */
  readonly trainedContextTokens: number;
}

/** What `mlc-chat-config.json` says, checked. */
export interface MlcConfig {
  /** Architecture as the source names it. */
  readonly architecture: string;
  /** MLC's name: `q4f16_1`, `q0f32`. */
  readonly quantization: string;
  /** Rows of the logits; the tokenizer may have fewer tokens. */
  readonly vocabularySize: number;
  /** Context that the model was trained for, or compiled for where that is not told, in tokens. */
  readonly trainedContextTokens: number;
  /** Window of sliding-window attention in tokens; `undefined` where every token sees all before it. */
  readonly slidingWindowTokens: number | undefined;
  /** Most tokens of one prefill step. */
  readonly chunkTokens: number;
  /** Names of the tokenizer's files, where it lists them. */
  readonly tokenizerFiles: readonly string[];
  /** Measures of the model. */
  readonly measures: MlcMeasures;
  /** Only where our own compiler made the folder. */
  readonly own: MlcOwnConfig | undefined;
}

const count = (max: number) => check.integer({ min: 1, max });

const checkModelConfig = object({
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

const checkOwn = object({
  formatVersion: required(count(2 ** 20)),
  derivedFrom: required(
    object({
      sourceSha256: required(sha256),
      architecture: required(shortText),
      vocabularySha256: required(sha256),
    }),
  ),
  ropePairing: required(check.oneOf('neox')),
  target: required(
    object({
      triple: required(shortText),
      cpu: required(check.string()),
      features: required(list(shortText, 1024)),
    }),
  ),
  library: required(
    object({
      file: required(fileName),
      sha256: required(sha256),
      bytes: required(count(2 ** 40)),
    }),
  ),
  parameters: required(object({ trainedContextTokens: required(count(2 ** 30)) })),
});

const checkConfig = object({
  model_type: required(shortText),
  quantization: required(shortText),
  model_config: required(checkModelConfig),
  vocab_size: optional(count(2 ** 26)),
  context_window_size: optional(check.integer({ min: -1, max: 2 ** 30 })),
  sliding_window_size: optional(check.integer({ min: -1, max: 2 ** 30 })),
  prefill_chunk_size: optional(count(2 ** 20)),
  tokenizer_files: optional(list(fileName, 64)),
  mobillm: optional(check.record),
});

/**
 * Checks the content of an `mlc-chat-config.json`.
 *
 * @throws MobillmError `MODEL_INVALID`; `MODEL_UNSUPPORTED` for a newer format of ours.
 */
export function parseMlcConfig(content: unknown, path: string): MlcConfig {
  const config = checkContent(checkConfig, content, path);
  const own = config.mobillm && parseOwn(config.mobillm, path);
  const model = config.model_config;
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
    slidingWindowTokens: positive(config.sliding_window_size),
    chunkTokens,
    tokenizerFiles: config.tokenizer_files ?? [],
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

function parseOwn(content: unknown, path: string): MlcOwnConfig {
  const { formatVersion } = checkContent(
    object({ formatVersion: required(count(2 ** 20)) }),
    content,
    path,
  );
  if (formatVersion !== 1) {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `The model of ${path} has the format version ${formatVersion}, and this version reads 1. Compile it again, or update @mobillm.`,
      { details: { path, formatVersion } },
    );
  }
  const { parameters, ...own } = checkContent(checkOwn, content, path);
  return { ...own, trainedContextTokens: parameters.trainedContextTokens };
}

/** Weights of a Llama-like model, the output layer counted where it has its own. */
export function mlcParameterCount({
  measures,
  vocabularySize,
}: Pick<MlcConfig, 'measures' | 'vocabularySize'>): number {
  const { layers, embeddingLength, feedForwardLength, heads, kvHeads, headLength } = measures;
  const attention = (2 * heads + 2 * kvHeads) * headLength * embeddingLength;
  const layer = attention + 3 * embeddingLength * feedForwardLength + 2 * embeddingLength;
  const embeddings = (measures.tiedEmbedding ? 1 : 2) * vocabularySize * embeddingLength;
  return layers * layer + embeddings + embeddingLength;
}

/** MLC writes -1 for "none". */
function positive(size: number | undefined): number | undefined {
  return size !== undefined && size > 0 ? size : undefined;
}
