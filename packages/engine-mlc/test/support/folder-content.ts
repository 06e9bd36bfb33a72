/** A sound configuration as our compiler writes it, as JSON has it. */
export function soundConfig(): Record<string, unknown> {
  return {
    version: '0.1.0',
    model_type: 'llama',
    quantization: 'q4f32',
    model_config: {
      hidden_size: 64,
      intermediate_size: 128,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 16,
      num_hidden_layers: 2,
      vocab_size: 267,
      tie_word_embeddings: false,
      context_window_size: 2048,
      prefill_chunk_size: 512,
      max_position_embeddings: 2048,
    },
    vocab_size: 267,
    context_window_size: 2048,
    prefill_chunk_size: 512,
    sliding_window_size: -1,
    mobillm: {
      formatVersion: 1,
      derivedFrom: {
        sourceSha256: 'a'.repeat(64),
        architecture: 'llama',
        vocabularySha256: 'b'.repeat(64),
      },
      ropePairing: 'neox',
      target: { triple: 'x86_64-unknown-linux-gnu', cpu: 'x86-64-v3', features: ['+avx2'] },
      library: { file: 'model.so', sha256: 'c'.repeat(64), bytes: 1000 },
      parameters: { trainedContextTokens: 2048 },
    },
  };
}

const tensor = (name: string, shape: readonly number[], byteOffset: number) => ({
  name,
  shape,
  dtype: 'float32',
  format: 'raw',
  nbytes: shape.reduce((product, extent) => product * extent, 4),
  byteOffset,
});

/** A sound index of two shards. */
export function soundIndex(): Record<string, unknown> {
  return {
    metadata: { ParamSize: 3 },
    records: [
      {
        dataPath: 'params_shard_0.bin',
        format: 'raw-shard',
        nbytes: 192,
        md5sum: 'd'.repeat(32),
        records: [tensor('a', [4, 8], 0), tensor('b', [16], 128)],
      },
      {
        dataPath: 'params_shard_1.bin',
        format: 'raw-shard',
        nbytes: 32,
        md5sum: 'e'.repeat(32),
        records: [tensor('c', [8], 0)],
      },
    ],
  };
}

/** What a library that belongs to {@link soundIndex} says of itself. */
export function soundMetadata(): Record<string, unknown> {
  return {
    params: [
      { name: 'c', shape: [8], dtype: 'float32' },
      { name: 'a', shape: [4, 8], dtype: 'float32' },
      { name: 'b', shape: [16], dtype: 'float32' },
    ],
    prefill_chunk_size: 512,
    kv_state_kind: 'kv_cache',
  };
}
