/**
 * What is known of a model from its header alone, as plain data: enough to plan with, before a
 * weight is loaded.
 */
export interface ModelDescription {
  /** Architecture as its format names it: `llama`, `qwen2`, `gemma3`. */
  readonly architecture: string;
  /** The model's own name, where the file holds one. */
  readonly name?: string;
  /** Number of weights. */
  readonly parameterCount: number;
  /** Bytes of all weight tensors as stored. */
  readonly weightBytes: number;
  /** Most frequent weight type by bytes, as users know it: `Q4_1`, `Q4_K_M`, `F16`. */
  readonly quantization: string;
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
  /** Width of the feed-forward layer, where the header says it. */
  readonly feedForwardLength?: number;
  /** Tokens in the vocabulary. */
  readonly vocabularySize: number;
  /**
   * The token embedding's size in bytes and weight type, where it serves as the output matrix too
   * (the file has no `output.weight`). Some engines then keep it in memory twice.
   */
  readonly tiedEmbedding?: { readonly bytes: number; readonly type: string };
  /** Context that the model was trained for, in tokens. */
  readonly trainedContextTokens: number;
  /** Window of sliding-window attention in tokens, where the model has one. */
  readonly slidingWindowTokens?: number;
  /** Jinja source of the model's chat template, where it has one. */
  readonly chatTemplate?: string;
}
