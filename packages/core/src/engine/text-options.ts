import type { AdapterUse } from './adapter.js';
import type { Pooling } from './driver.js';

/** Options of {@link Model.embed}. */
export interface EmbedOptions {
  /** Adapters of the same model that are applied; none by default. Declared by `capabilities.adapters`. */
  readonly adapters?: readonly AdapterUse[];
  /**
   * How the vectors of a text's tokens become one. By default what the model was trained for
   * (`info.embedding.pooling`); `mean` where its files do not say.
   */
  readonly pooling?: Pooling;
  /** `l2` (the default) makes every vector 1 long, so that a dot product is a cosine; `none` keeps it. */
  readonly normalize?: 'l2' | 'none';
  /**
   * What happens with a text longer than the context: `error` (the default) fails with `CONTEXT_FULL`;
   * `end` leaves out what is too much at its end.
   */
  readonly truncate?: 'error' | 'end';
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of tokens that is done, from 0 to 1, rising. */
  readonly onProgress?: (share: number) => void;
}

/** Options of {@link Model.rerank}. */
export interface RerankOptions {
  /** Adapters of the same model that are applied; none by default. Declared by `capabilities.adapters`. */
  readonly adapters?: readonly AdapterUse[];
  /** Documents to return at most; all by default. */
  readonly topN?: number;
  /**
   * What happens with a document that does not fit the context together with the query: `error` (the
   * default) fails with `CONTEXT_FULL`; `end` leaves out what is too much at its end.
   */
  readonly truncate?: 'error' | 'end';
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of tokens that is done, from 0 to 1, rising. */
  readonly onProgress?: (share: number) => void;
}

/** A document's place in the order that {@link Model.rerank} gives. */
export interface RerankResult {
  /** Which of the documents it is. */
  readonly index: number;
  /**
   * How well it answers the query, as the model's head says it: higher is better. Scores of one query
   * compare; whether they are logits or probabilities is the model's.
   */
  readonly score: number;
}
