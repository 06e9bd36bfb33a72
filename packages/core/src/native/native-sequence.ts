import type { KvDtype, KvLayer, KvRope } from '../kv/kv-snapshot.js';

/**
 * What the shared C++ side (`native/src/sequence_handle.cpp`) offers of a sequence, the same for all
 * engines. Everything throws and rejects with errors that `fromNative` reads. One call at a time.
 */
export interface NativeSequence {
  /** Tokens in the cache. */
  readonly tokenCount: number;
  /** Begins a generation. `tokens` may be empty where the logits after the last one are known. */
  generate(tokens: Int32Array, spec: NativeGenerateSpec): NativeGeneration;
  /** Cuts the cache and resolves with how many tokens are left. */
  truncate(tokenCount: number): Promise<number>;
  /**
   * Replaces the cache by the first tokens of another sequence of the same model, and resolves with
   * whether it could.
   */
  copyFrom(source: NativeSequence, tokenCount: number): Promise<boolean>;
  /** Takes tokens out of the middle; resolves with whether it could. */
  removeTokens(from: number, to: number): Promise<boolean>;
  /**
   * Has adapters of its model applied, each at the scale of the same place; empties the cache where they
   * are others than before.
   */
  setAdapters(adapters: readonly NativeAdapter[], scales: readonly number[]): Promise<void>;
  /**
   * Tells its model what the tokens stand for, which a grammar needs: the bytes of all, one after the
   * other, and where each ends. For engines whose library has no tokenizer.
   */
  setTokenBytes(bytes: Uint8Array, ends: Uint32Array): void;
  /** What the cache is like; throws `UNSUPPORTED`, with the reason, where it cannot be handed over. */
  kvShape(): NativeKvShape;
  /** Reads the tokens from `fromToken` on, with their keys and values. */
  exportKv(fromToken: number): Promise<NativeKvExport>;
  /**
   * Appends tokens with their keys and values. The tensors are read on another thread: they must not
   * be changed or transferred until the promise settles.
   */
  importKv(snapshot: NativeKvImport): Promise<void>;
  /** Ends the export or import that runs soon: it rejects with the code `ABORTED`. */
  abortTransfer(): void;
  /** Stops what runs and gives the place back. To be called once. */
  close(): Promise<void>;
}

/** An adapter that a native model has loaded. */
export interface NativeAdapter {
  /** Frees it at once; to be called once. */
  close(): Promise<void>;
}

/** How a generation is to run; see `GenerateSpec`. */
export interface NativeGenerateSpec {
  /** At most 2^53. */
  readonly maxTokens: number;
  /** Whether the logits after the last token are to be kept. */
  readonly keepLogits: boolean;
  /** At least 1. */
  readonly creditTokens: number;
  /** Whether tokens are guessed ahead. */
  readonly speculation: 'off' | 'auto' | 'always';
  /** Alternatives a token, −1 for no log-probabilities at all. */
  readonly logprobs: number;
  /** Tokens that end it. */
  readonly endTokens: Int32Array;
  /** In GBNF; empty for none. */
  readonly grammar: string;
  /** Tokens at the end of cache and prompt that the grammar has seen. */
  readonly grammarTokens: number;
  /** All settings filled in, as `ResolvedSampling` has them. */
  readonly sampling: {
    readonly logitBias: readonly { readonly token: number; readonly bias: number }[];
    readonly repeatPenalty: number;
    readonly frequencyPenalty: number;
    readonly presencePenalty: number;
    readonly penaltyLastTokens: number;
    readonly topK: number;
    readonly topP: number;
    readonly minP: number;
    readonly temperature: number;
    readonly seed: number;
  };
}

/** A generation under way. */
export interface NativeGeneration {
  /** One call at a time, until a batch has `finish`. */
  next(): Promise<NativeBatch>;
  /** Ends it within one step; the last batch says `aborted`. */
  abort(): void;
}

/** What came since the last call; see `TokenBatch`. */
export interface NativeBatch {
  /** Sampled tokens in order. */
  readonly tokens: readonly number[];
  /** One row a token, when asked for. */
  readonly logprobs?: readonly {
    readonly token: number;
    readonly logprob: number;
    readonly top: readonly { readonly token: number; readonly logprob: number }[];
  }[];
  /** New prompt tokens that have been prefilled so far. */
  readonly prefilledTokens: number;
  /** Milliseconds spent prefilling so far. */
  readonly prefillMs: number;
  /** Milliseconds spent decoding and sampling so far. */
  readonly decodeMs: number;
  /** With a grammar. */
  readonly rejectedTokens?: number;
  /** Where it guesses: guessed tokens of all steps so far. */
  readonly draftedTokens?: number;
  /** Where it guesses: the right ones among them. */
  readonly acceptedTokens?: number;
  /** Set on the last batch. */
  readonly finish?: 'end-token' | 'max-tokens' | 'context-full' | 'grammar-end' | 'aborted';
}

/** What a model's caches are like. */
export interface NativeKvShape {
  /** Number format that it exports in. */
  readonly dtype: KvDtype;
  /** Layers with keys and values. */
  readonly layers: number;
  /** Key and value heads a layer. */
  readonly kvHeads: number;
  /** Values in a key head. */
  readonly keyLength: number;
  /** Values in a value head. */
  readonly valueLength: number;
  /** Rotation of the keys, with the pairing that it exports in. */
  readonly rope: KvRope;
  /** Tokens of the vocabulary. */
  readonly vocabularySize: number;
  /** Context of one sequence, in tokens. */
  readonly contextTokens: number;
}

/** What an export gives. */
export interface NativeKvExport {
  /** The tokens. */
  readonly tokens: Int32Array;
  /** Per layer keys then values, without gaps, shaped as {@link NativeKvShape} says. */
  readonly data: Uint8Array;
  /** Logits after the last token, where they were kept. */
  readonly nextLogits?: Float32Array;
}

/** What an import takes; number format and pairing may differ from the shape's. */
export interface NativeKvImport {
  /** Has to be the sequence's `tokenCount`. */
  readonly startPosition: number;
  /** The tokens; may be empty. */
  readonly tokens: Int32Array;
  /** Number format of all tensors. */
  readonly dtype: KvDtype;
  /** Pairing of the keys. */
  readonly pairing: KvRope['pairing'];
  /** One row a layer. */
  readonly layers: readonly KvLayer[];
  /** Logits after the last token, where they are known. */
  readonly nextLogits?: Float32Array;
}
