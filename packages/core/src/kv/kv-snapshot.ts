import type { Token } from '../tokenizer/tokenizer.js';

/** Number formats that a snapshot's tensors can have, little-endian. */
export type KvDtype = 'f16' | 'bf16' | 'f32';

/** Keys or values of one layer: shape [kvHeads, tokens, headLength], row-major, little-endian. */
export type KvTensor = Uint8Array;

/** How keys were rotated before they were stored. */
export interface KvRope {
  /** `neox` rotates the halves of a head against each other, `interleaved` its neighbours. */
  readonly pairing: 'neox' | 'interleaved';
  /** Frequency base. */
  readonly base: number;
  /** Frequency scaling: 1 for none. */
  readonly scale: number;
  /** Number of leading values of a head that are rotated. */
  readonly rotatedLength: number;
}

/** Which weights a snapshot belongs to; two forms of one model share a lineage. */
export interface KvLineage {
  /** sha256 of the file that every form was made from. */
  readonly sourceSha256: string;
  /** Architecture, as GGUF names it. */
  readonly architecture: string;
  /** sha256 over the vocabulary's token spellings in order, each followed by a zero byte. */
  readonly vocabularySha256: string;
}

/**
 * A sequence's keys and values in the engine-neutral layout, with which a prompt prefilled on one
 * engine is decoded on another.
 */
export interface KvSnapshot {
  /** Layout version; readers refuse one that they do not know. */
  readonly version: 1;
  /** The weights it belongs to. */
  readonly lineage: KvLineage;
  /** The tokens it stands for, in order. */
  readonly tokens: readonly Token[];
  /** Position of each token. */
  readonly positions: readonly number[];
  /** Number format of all tensors. */
  readonly dtype: KvDtype;
  /** Key and value heads a layer. */
  readonly kvHeads: number;
  /** Values in a key head. */
  readonly keyLength: number;
  /** Values in a value head. */
  readonly valueLength: number;
  /** Rotation of the keys. */
  readonly rope: KvRope;
  /** Keys and values by layer, keys after rotation. */
  readonly layers: readonly { readonly keys: KvTensor; readonly values: KvTensor }[];
  /** Logits that follow the last token, one f32 a token of the vocabulary, where they are known. */
  readonly nextLogits?: Float32Array;
}
