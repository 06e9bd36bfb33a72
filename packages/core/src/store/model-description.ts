import { MobillmError } from '../errors/mobillm-error.js';

/** The numbers of a transformer that its memory can be reckoned from. */
export interface ModelShape {
  /** Number of weights. */
  readonly parameterCount: number;
  /** Transformer layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly embeddingLength: number;
  /** Query heads a layer. */
  readonly attentionHeads: number;
  /** Key and value heads a layer (grouped-query attention); the largest, where layers differ. */
  readonly kvHeads: number;
  /** Values in one key head. */
  readonly keyLength: number;
  /** Values in one value head. */
  readonly valueLength: number;
  /** Tokens in the vocabulary. */
  readonly vocabularySize: number;
}

/**
 * What is known of a model from its header alone, as plain data: enough to plan with, before a
 * weight is loaded. A number that its format does not tell is left out, as most are of a Genie bundle; a GGUF
 * file tells all of {@link ModelShape}.
 */
export interface ModelDescription extends Partial<ModelShape> {
  /** Architecture as its format names it: `llama`, `qwen2`, `gemma3`; `unknown` where it does not. */
  readonly architecture: string;
  /** The model's own name, where the file holds one. */
  readonly name?: string;
  /** Bytes of all weight tensors as stored. */
  readonly weightBytes: number;
  /**
   * Most frequent weight type by bytes, as users know it: `Q4_1`, `Q4_K_M`, `F16`, and `q4f16_1` of
   * an MLC folder; `unknown` where nothing tells.
   */
  readonly quantization: string;
  /** Width of the feed-forward layer, where the header says it. */
  readonly feedForwardLength?: number;
  /**
   * The token embedding's size in bytes and weight type, where it serves as the output matrix too
   * (the file has no `output.weight`). Some engines then keep it in memory twice.
   */
  readonly tiedEmbedding?: { readonly bytes: number; readonly type: string };
  /** Context that the model was trained for, or compiled for where it was, in tokens. */
  readonly trainedContextTokens?: number;
  /** Window of sliding-window attention in tokens, where the model has one. */
  readonly slidingWindowTokens?: number;
  /** Jinja source of the model's chat template, where it has one. */
  readonly chatTemplate?: string;
}

/** A description that tells all numbers of {@link ModelShape}. */
export type ShapedModel = ModelDescription & ModelShape;

const shapeKeys: readonly (keyof ModelShape)[] = [
  'parameterCount',
  'layers',
  'embeddingLength',
  'attentionHeads',
  'kvHeads',
  'keyLength',
  'valueLength',
  'vocabularySize',
];

/** Whether a description tells all that memory can be reckoned from. */
export function hasShape(model: ModelDescription): model is ShapedModel {
  return shapeKeys.every((key) => model[key] !== undefined);
}

/**
 * A description with some of its numbers, for what cannot do without them.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` naming the first number that is missing.
 */
export function requireNumbers<K extends keyof ModelShape>(
  model: ModelDescription,
  ...keys: readonly K[]
): ModelDescription & Pick<ModelShape, K> {
  const missing = keys.find((key) => model[key] === undefined);
  if (missing === undefined) return model as ModelDescription & Pick<ModelShape, K>;
  throw new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model "${model.name ?? model.architecture}" does not tell its ${missing}, without which nothing can be reckoned. Take its GGUF form.`,
    { details: { missing } },
  );
}
