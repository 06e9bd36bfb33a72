/** The numbers that the matrices of a transformer's layers follow from. */
export interface TransformerShape {
  /** Transformer layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly embeddingLength: number;
  /** Width of the feed-forward layer. */
  readonly feedForwardLength: number;
  /** Query heads a layer. */
  readonly heads: number;
  /** Key and value heads a layer. */
  readonly kvHeads: number;
  /** Values in a head. */
  readonly headLength: number;
}
