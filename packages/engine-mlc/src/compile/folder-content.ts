import type { KvLineage, LlamaParameters } from '@mobillm/core';
import type { NativeShardRecord } from '../addon.js';
import type { MlcTarget } from './compiler-options.js';

/** What decides a compiled model, beside its source. */
export interface CompiledAs {
  readonly quantization: 'f32' | 'q4f32';
  readonly contextTokens: number;
  readonly chunkTokens: number;
  readonly schedules: 'own' | 'default';
  readonly target: MlcTarget;
  /** sha256 over the compiler's own files. */
  readonly compilerSha256: string;
}

/** What the configuration tells of a compiled model. */
export interface CompiledModel {
  readonly lineage: KvLineage;
  readonly parameters: LlamaParameters;
  readonly compiledAs: CompiledAs;
  readonly library: { readonly file: string; readonly sha256: string; readonly bytes: number };
}

/** Content of `mlc-chat-config.json`: MLC's keys, and ours under `mobillm`. */
export function chatConfigOf(model: CompiledModel): object {
  const { parameters, compiledAs } = model;
  const window = {
    context_window_size: compiledAs.contextTokens,
    prefill_chunk_size: compiledAs.chunkTokens,
  };
  const { tensors: _, ropePairing: __, ...measures } = parameters;
  return {
    version: '0.1.0',
    model_type: parameters.architecture,
    quantization: compiledAs.quantization,
    model_config: {
      hidden_size: parameters.embeddingLength,
      intermediate_size: parameters.feedForwardLength,
      num_attention_heads: parameters.heads,
      num_key_value_heads: parameters.kvHeads,
      head_dim: parameters.headLength,
      num_hidden_layers: parameters.layers,
      rms_norm_eps: parameters.rmsEpsilon,
      vocab_size: parameters.vocabularySize,
      tie_word_embeddings: parameters.tiedEmbedding,
      position_embedding_base: parameters.ropeBase,
      max_batch_size: 1,
      ...window,
    },
    vocab_size: parameters.vocabularySize,
    active_vocab_size: parameters.vocabularySize,
    ...window,
    sliding_window_size: -1,
    attention_sink_size: -1,
    tensor_parallel_shards: 1,
    pipeline_parallel_stages: 1,
    tokenizer_files: ['tokenizer.json', 'tokenizer_config.json'],
    mobillm: {
      formatVersion: 1,
      derivedFrom: model.lineage,
      ropePairing: 'neox',
      target: compiledAs.target,
      library: model.library,
      parameters: measures,
      compiledAs,
    },
  };
}

/** Content of `tensor-cache.json`, as `tvm.contrib.tvmjs.dump_tensor_cache` writes it. */
export function tensorCacheOf(shards: readonly NativeShardRecord[]): object {
  const bytes = shards.reduce((sum, { nbytes }) => sum + nbytes, 0);
  const tensors = shards.reduce((sum, { records }) => sum + records.length, 0);
  return { metadata: { ParamSize: tensors, ParamBytes: bytes }, records: shards };
}
