import { MobillmError, type GgufLayout, type ModelDescription } from '@mobillm/core';
import { quantizationName } from './quantization-name.js';
import type { GgufValues } from './read-values.js';

/**
 * Makes the description of a model from the header of its first file and the layouts of all.
 *
 * @throws MobillmError `MODEL_INVALID` when the header lacks what every language model has,
 * `MODEL_UNSUPPORTED` for files that are a part or an addition of a model.
 */
export function describeGguf(values: GgufValues, layouts: readonly GgufLayout[]): ModelDescription {
  const architecture = values.get('general.architecture');
  if (typeof architecture !== 'string' || architecture === '') {
    throw incomplete('general.architecture');
  }
  const type = values.get('general.type');
  if (architecture === 'clip' || (typeof type === 'string' && type !== 'model')) {
    const kind = architecture === 'clip' ? 'an image projector' : `of the type "${String(type)}"`;
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `This GGUF file is ${kind} and not a language model. Add the model that it belongs to.`,
      { details: { architecture, type } },
    );
  }
  const read = (name: string) => values.get(`${architecture}.${name}`);
  const optional = (name: string) => count(read(name));
  const required = (name: string) => {
    const value = optional(name);
    if (value === undefined) throw incomplete(`${architecture}.${name}`);
    return value;
  };
  const largest = (name: string) => {
    const value = read(name);
    const values = (Array.isArray(value) ? value : [value]).map(count);
    return values.reduce((a = 0, b = 0) => Math.max(a, b), undefined);
  };

  const tensors = layouts.flatMap((layout) => layout.tensors);
  const layers = required('block_count');
  const embeddingLength = required('embedding_length');
  const attentionHeads = largest('attention.head_count') ?? 0;
  const headLength = attentionHeads > 0 ? Math.floor(embeddingLength / attentionHeads) : 0;
  const window = optional('attention.sliding_window');
  const feedForward = largest('feed_forward_length');
  const name = values.get('general.name');
  const template = values.get('tokenizer.chat_template');
  const tied = tensors.some((tensor) => tensor.name === 'output.weight')
    ? undefined
    : tensors.find((tensor) => tensor.name === 'token_embd.weight');
  const tokens = layouts[0]?.metadata.get('tokenizer.ggml.tokens')?.elementCount;
  return {
    architecture,
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
    parameterCount: tensors.reduce((sum, { elementCount }) => sum + elementCount, 0),
    weightBytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    quantization: quantizationName(tensors, values.get('general.file_type')),
    layers,
    embeddingLength,
    attentionHeads,
    kvHeads: largest('attention.head_count_kv') ?? attentionHeads,
    keyLength: optional('attention.key_length') ?? headLength,
    valueLength: optional('attention.value_length') ?? headLength,
    ...(feedForward ? { feedForwardLength: feedForward } : {}),
    vocabularySize: tokens ?? required('vocab_size'),
    ...(tied ? { tiedEmbedding: { bytes: tied.byteLength, type: tied.type.name } } : {}),
    trainedContextTokens: required('context_length'),
    ...(window ? { slidingWindowTokens: window } : {}),
    ...(typeof template === 'string' ? { chatTemplate: template } : {}),
  };
}

/** A number of things, from the number types of a header; `undefined` for anything else. */
function count(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0
    ? number
    : undefined;
}

function incomplete(key: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `This GGUF file does not say "${key}", without which it is no language model. Check that it is the file you meant.`,
    { details: { key } },
  );
}
