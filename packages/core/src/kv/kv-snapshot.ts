import type { Token } from '../tokenizer/tokenizer.js';

/** Number formats that a snapshot's tensors can have, little-endian. */
export type KvDtype = 'f16' | 'bf16' | 'f32';

/**
 * Keys or values of one layer: shape [kvHeads, tokens, headLength], row-major, little-endian, without
 * gaps.
 */
export type KvTensor = Uint8Array;

/** How keys were rotated before they were stored. */
export interface KvRope {
  /**
   * Which values of a head are rotated against each other. `neox`: value i and value
   * i + rotatedLength/2. `interleaved`: values 2i and 2i + 1. One is a permutation of the other:
   * `neox[i] = interleaved[2i]`, `neox[i + rotatedLength/2] = interleaved[2i + 1]`.
   */
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
  /** Adapters that were applied to the weights, ordered by sha256; absent or empty for none. */
  readonly adapters?: readonly AppliedAdapter[];
}

/** An adapter that was applied to a model's weights. */
export interface AppliedAdapter {
  /** sha256 of its file. */
  readonly sha256: string;
  /** What its change was multiplied by, beside its own alpha: an f32, and not 0. */
  readonly scale: number;
}

/**
 * A sequence's keys and values, or those of its last tokens, in the engine-neutral layout with which
 * a prompt prefilled on one engine is decoded on another.
 */
export interface KvSnapshot {
  /** Layout version; readers refuse one that they do not know. */
  readonly version: 1;
  /** The weights it belongs to. */
  readonly lineage: KvLineage;
  /**
   * Position of the first of `tokens`, which is the number of tokens that go before it; the others
   * follow without gaps. 0 for a whole sequence.
   */
  readonly startPosition: number;
  /** The tokens it stands for, in order; may be empty, to hand on `nextLogits` alone. */
  readonly tokens: readonly Token[];
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
  readonly layers: readonly KvLayer[];
  /** Logits that follow the last token, one f32 a token of the vocabulary, where they are known. */
  readonly nextLogits?: Float32Array;
}

/** Keys and values of one layer. */
export interface KvLayer {
  /** Keys after rotation: `kvHeads × tokens × keyLength` numbers. */
  readonly keys: KvTensor;
  /** Values: `kvHeads × tokens × valueLength` numbers. */
  readonly values: KvTensor;
}
