import { check, fields, type ModelDescription } from '@mobillm/core';

const { checkContent, object, optional, required, shortText } = fields;
const count = (max: number) => optional(check.integer({ min: 1, max }));

/** Names that the families give to the same numbers. */
const measures = object({
  model_type: optional(shortText),
  num_hidden_layers: count(2 ** 12),
  n_layer: count(2 ** 12),
  hidden_size: count(2 ** 20),
  n_embd: count(2 ** 20),
  num_attention_heads: count(2 ** 16),
  n_head: count(2 ** 16),
  num_key_value_heads: count(2 ** 16),
  head_dim: count(2 ** 16),
  v_head_dim: count(2 ** 16),
  intermediate_size: count(2 ** 24),
  n_inner: count(2 ** 24),
  vocab_size: count(2 ** 26),
  max_position_embeddings: count(2 ** 30),
  n_positions: count(2 ** 30),
  sliding_window: count(2 ** 30),
  use_sliding_window: optional(check.boolean),
});

const checkConfig = object({
  model_type: required(shortText),
  // Models that see or hear keep what is about text apart.
  text_config: optional(check.record),
  quantization_config: optional(object({ quant_method: optional(shortText), bits: count(64) })),
});

/** What a `config.json` of the Hugging Face library `transformers` tells. */
export interface HubConfig {
  /** The numbers of the model, as far as it tells them. */
  readonly shape: Omit<ModelDescription, 'weightBytes' | 'quantization' | 'parameterCount'>;
  /** How the weights were quantized, where they were: `awq-4bit`, `fp8`. */
  readonly quantization: string | undefined;
}

/**
 * Checks the content of a `config.json`.
 *
 * @throws MobillmError `MODEL_INVALID`.
 */
export function parseHubConfig(content: unknown, path: string): HubConfig {
  const config = checkContent(checkConfig, content, path);
  const whole = checkContent(measures, content, path);
  const text = checkContent(measures, config.text_config ?? {}, path);
  const pick = <K extends keyof typeof whole>(...keys: K[]): (typeof whole)[K] => {
    for (const key of keys) {
      const value = text[key] ?? whole[key];
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const layers = pick('num_hidden_layers', 'n_layer');
  const embeddingLength = pick('hidden_size', 'n_embd');
  const heads = pick('num_attention_heads', 'n_head');
  const share =
    heads !== undefined && embeddingLength !== undefined
      ? Math.max(1, Math.floor(embeddingLength / heads))
      : undefined;
  const keyLength = pick('head_dim') ?? share;
  const window = pick('use_sliding_window') === false ? undefined : pick('sliding_window');
  const { quant_method: method, bits } = config.quantization_config ?? {};
  return {
    shape: defined({
      architecture: config.model_type,
      layers,
      embeddingLength,
      attentionHeads: heads,
      kvHeads: pick('num_key_value_heads') ?? heads,
      keyLength,
      valueLength: pick('v_head_dim') ?? keyLength,
      feedForwardLength: pick('intermediate_size', 'n_inner'),
      vocabularySize: pick('vocab_size'),
      trainedContextTokens: pick('max_position_embeddings', 'n_positions'),
      slidingWindowTokens: window,
    }),
    quantization:
      method === undefined ? undefined : bits === undefined ? method : `${method}-${bits}bit`,
  };
}

type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** An object without its fields that are `undefined`. */
function defined<T extends { readonly architecture: string }>(
  value: T,
): Partial<Defined<T>> & { readonly architecture: string } {
  const known = Object.entries<unknown>(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(known) as Partial<Defined<T>> & { readonly architecture: string };
}
