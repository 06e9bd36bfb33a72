import type { KvLineage, KvSnapshot } from '../kv/kv-snapshot.js';
import type { ModelFiles } from '../store/model-files.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import type { EngineCapabilities } from './capabilities.js';
import type { Device, MemoryEstimate, MemoryItem, Placement } from './device.js';
import type { ResolvedSampling } from './sampling.js';

/**
 * The driver interfaces: what an engine writes. Core builds `Engine`, `Model` and `Session` over
 * them, so a driver knows nothing of messages, templates, text or events. How each call maps onto
 * llama.cpp, TVM/MLC and QNN stands in `docs/architecture.md`.
 */

/** Options of `open`, checked and filled in by core. */
export interface DriverOpenOptions {
  /** Context of one sequence in tokens; at least 1. */
  readonly contextTokens: number;
  /** Sequences that may be open at once, within `capabilities.maxSequences`. */
  readonly sequences: number;
  /** Threads to decode with, or `auto`: as many as are free, never more than the fast cores. */
  readonly threads: number | 'auto';
  /** Device to compute on; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has, as its factory documents them; checked by the driver. */
  readonly engineOptions: Readonly<Record<string, unknown>>;
  /** Stops the opening; the promise then rejects with the signal's reason and nothing stays allocated. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What `estimate` is asked for. */
export interface DriverEstimateOptions {
  /** Context of one sequence in tokens; at least 1. */
  readonly contextTokens: number;
  /** Sequences that are to be open at once, within `capabilities.maxSequences`. */
  readonly sequences: number;
  /** Device to compute on; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has, as `open` would get them. */
  readonly engineOptions: Readonly<Record<string, unknown>>;
  /**
   * Files of adapters that are to be loaded and applied, each with one of the role `adapter`. None by
   * default; only for engines that declare `adapters`.
   */
  readonly adapters?: readonly ModelFiles[];
  /**
   * Memory that may be used on devices beside the CPU, in bytes by id, in place of what they have free. An
   * engine that shares a model out between devices by itself does so within it.
   */
  readonly deviceBytes?: Readonly<Record<string, number>>;
  /** Stops the estimate, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Where memory is short. */
export interface MemoryShortage {
  /** The device; absent where it is the machine's memory, or all together. */
  readonly device?: string;
  /** What the model would take there; absent where that is not known. */
  readonly items?: readonly MemoryItem[];
}

/** An engine: a back end that opens models. */
export interface EngineDriver {
  /** Short name: `llamacpp`. */
  readonly name: string;
  /** Version of the engine's package. */
  readonly version: string;
  /** What it can do on this machine. */
  readonly capabilities: EngineCapabilities;
  /** What it can compute on; the first is the default. */
  readonly devices: readonly Device[];
  /**
   * Reads what a model's header says about its context, without loading weights.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
   */
  inspect(files: ModelFiles, signal?: AbortSignal): Promise<InspectedModel>;
  /** Memory by item and device, before anything is loaded. Declared by `capabilities.estimate`. */
  estimate?(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate>;
  /**
   * Engine options that take less and less memory and cost something in return, for a search of what
   * fits; the first are the defaults. None by default.
   */
  readonly memoryVariants?: readonly Readonly<Record<string, unknown>>[];
  /**
   * What of these options takes memory where it is short and could take less, each as the object of "Use
   * …": `a smaller "poolTokens"`. Nothing that would not help. Core itself speaks of the context, of
   * smaller models and of other programs. Nothing by default.
   */
  memoryAdvice?(options: DriverEstimateOptions, shortage: MemoryShortage): readonly string[];
  /**
   * Loads a model.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `OUT_OF_MEMORY`.
   */
  open(files: ModelFiles, options: DriverOpenOptions): Promise<ModelDriver>;
  /** Frees what the engine itself holds; models are closed before by core. */
  close?(): Promise<void>;
}

/** What the header tells core before it chooses a context. */
export interface InspectedModel {
  /** Architecture as the format names it. */
  readonly architecture: string;
  /** Context that the model was trained for, in tokens. */
  readonly trainedContextTokens: number;
}

/** What a model can be asked for: text, vectors of texts, or scores of documents for a query. */
export type ModelTask = 'generate' | 'embed' | 'rerank';

/**
 * How the vectors of a text's tokens become one: their mean, that of the first token, or that of the
 * last one.
 */
export type Pooling = 'mean' | 'cls' | 'last';

/** What a driver knows of an open model. */
export interface ModelInfo extends InspectedModel {
  /** What it can do; asking for something else gives `UNSUPPORTED`. */
  readonly tasks: readonly ModelTask[];
  /** The vectors that `embed` gives; `undefined` where it gives none. */
  readonly embedding:
    | {
        /** Numbers of a vector. */
        readonly length: number;
        /** Pooling that the model was trained for; `undefined` where its files do not say. */
        readonly pooling: Pooling | undefined;
      }
    | undefined;
  /** The model's own name, where the file holds one. */
  readonly name: string | undefined;
  /** Number of weights. */
  readonly parameterCount: number;
  /** Bytes of all weights as stored. */
  readonly weightBytes: number;
  /** Jinja source of the chat template in the model's own metadata. */
  readonly chatTemplate: string | undefined;
}

/** A loaded model. */
export interface ModelDriver {
  /** What the model says of itself. */
  readonly info: ModelInfo;
  /** Context of one sequence in tokens, as the library really made it. */
  readonly contextTokens: number;
  /**
   * Tokens that all sequences together can hold: `contextTokens` at least, where they share one pool, and
   * `sequences × contextTokens` where each has its own.
   */
  readonly kvPoolTokens: number;
  /** Its vocabulary. */
  readonly tokenizer: Tokenizer;
  /** What runs where, now. */
  placement(): Placement;
  /**
   * Which weights its caches belong to. May read the whole weights file once to hash it, so it is
   * asked for only when a cache is handed over. Declared by `capabilities.exportKv` or `importKv`.
   */
  lineage?(signal?: AbortSignal): Promise<KvLineage>;
  /**
   * Opens an empty sequence.
   *
   * @throws MobillmError `BUSY` when all are in use.
   */
  createSequence(): Promise<SequenceDriver>;
  /**
   * One vector a text, in order and not normalised. Each text has a token at least and `contextTokens`
   * at most. A long job is computed in steps: generations go on between them, and an abort ends it
   * within one. Declared by `capabilities.embed`; rejects with `UNSUPPORTED` where `info.tasks` lacks it.
   */
  embed?(
    texts: readonly (readonly Token[])[],
    options: DriverEmbedOptions,
  ): Promise<Float32Array[]>;
  /**
   * One score a document, in order, of how well it answers a query: higher is better, and scores of one
   * query compare. What the model wants around the two texts is the driver's to know; the spelling of a
   * special token in them stays text. Declared by `capabilities.rerank`; rejects with `UNSUPPORTED`
   * where `info.tasks` lacks it.
   *
   * @throws MobillmError `CONTEXT_FULL`, with `details.documentIndex` and both counts.
   */
  rerank?(
    query: string,
    documents: readonly string[],
    options: DriverRerankOptions,
  ): Promise<number[]>;
  /**
   * Loads an adapter (LoRA), the first file of the role `adapter`, for this model; its sequences have it
   * applied by `setAdapters`. What is wrong with a file of any origin is told, and never the library's to
   * find. Declared by `capabilities.adapters`.
   *
   * @throws MobillmError `FILE_NOT_FOUND`; `MODEL_INVALID` where the file is damaged or no adapter;
   * `MODEL_UNSUPPORTED` where it was made for another model, or cannot be applied; `OUT_OF_MEMORY`.
   */
  loadAdapter?(files: ModelFiles, options: DriverAdapterOptions): Promise<AdapterDriver>;
  /** Changes levers while the model is open. Declared by `capabilities.adjust`. */
  adjust?(levers: ModelLevers): Promise<void>;
  /** Gives back up to that many bytes of caches; returns what was freed. Declared by `capabilities.trim`. */
  trim?(bytes: number): Promise<number>;
  /** Stops what runs, waits for it, frees sequences and weights; may be called twice. */
  close(): Promise<void>;
}

/** How an adapter is to be loaded. */
export interface DriverAdapterOptions {
  /** Stops it; the promise then rejects with the signal's reason and nothing stays allocated. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What a driver knows of a loaded adapter. */
export interface AdapterInfo {
  /** Its own name, where the file holds one. */
  readonly name: string | undefined;
  /** sha256 of its file. */
  readonly sha256: string;
  /** Rank of its largest pair of matrices. */
  readonly rank: number;
  /** What its change is multiplied by, divided by the rank; `undefined` where the file does not say. */
  readonly alpha: number | undefined;
  /** Matrices of the model that it changes. */
  readonly matrixCount: number;
  /** Bytes of all its weights as stored, which is what it takes of memory. */
  readonly weightBytes: number;
}

/** A loaded adapter. */
export interface AdapterDriver {
  /** What its file says. */
  readonly info: AdapterInfo;
  /**
   * Frees it at once. Generations that have it applied end with `CLOSED`; so does whatever sequences that
   * still have it compute, until they are given other adapters. May be called twice; goes with its model.
   */
  close(): Promise<void>;
}

/** An adapter as one of those that are applied. */
export interface DriverAdapterUse {
  /** Of the same model, and not named twice. */
  readonly adapter: AdapterDriver;
  /** What its change is multiplied by, beside its own alpha: finite; 0 leaves it out. */
  readonly scale: number;
}

/** How texts are to be embedded. */
export interface DriverEmbedOptions {
  /** Adapters that are applied, for engines that declare `adapters`; none by default. */
  readonly adapters?: readonly DriverAdapterUse[];
  /** How the vectors of a text's tokens become one. */
  readonly pooling: Pooling;
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of tokens that is done, from 0 to 1, rising. */
  readonly onProgress?: (share: number) => void;
}

/** How documents are to be scored. */
export interface DriverRerankOptions {
  /** Adapters that are applied, for engines that declare `adapters`; none by default. */
  readonly adapters?: readonly DriverAdapterUse[];
  /** See `RerankOptions`. */
  readonly truncate: 'error' | 'end';
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of tokens that is done, from 0 to 1, rising. */
  readonly onProgress?: (share: number) => void;
}

/** What can be changed on an open model. */
export interface ModelLevers {
  /** Threads to decode with. */
  readonly threads?: number;
  /** Tokens in one prefill step. */
  readonly batchTokens?: number;
}

/** What an answer has to match. */
export interface GrammarSpec {
  /** The grammar, in GBNF. */
  readonly source: string;
  /**
   * How many of the last tokens, of the cache and of the new ones together, are the answer's: a
   * generation that goes on with an answer goes on in its grammar where that left off. 0 for a new one.
   */
  readonly answerTokens: number;
}

/**
 * Whether tokens are guessed ahead and checked together in one step: `off`; `auto`, where measured steps
 * and the share of right guesses say that it pays; `always`, as many as there are guesses for. Which
 * tokens are sampled does not depend on it.
 */
export type Speculation = 'off' | 'auto' | 'always';

/** How one generation is to run. */
export interface GenerateSpec {
  /** Tokens to sample at most; 0 only prefills. */
  readonly maxTokens: number;
  /**
   * Keeps the logits that follow the last cached token when the generation ends, until the cache
   * changes: `exportKv` then hands them on, and the next `generate` may come without new tokens.
   * Asked of engines alone that declare `capabilities.exportKv`.
   */
  readonly keepLogits: boolean;
  /** Tokens that end the generation. The one that did is reported and counted, not cached. */
  readonly endTokens: ReadonlySet<Token>;
  /** How tokens are chosen. */
  readonly sampling: ResolvedSampling;
  /**
   * Lets through only tokens with which the answer can still match, and an end token only where it does.
   * The driver lets the sampling choose freely, and anew among what the grammar allows where that was
   * refused; a refused choice is in no penalty. Special tokens are never allowed. Where nothing can
   * follow any more the generation ends. None by default. Declared by `capabilities.grammar`.
   *
   * The iteration rejects with `GRAMMAR_INVALID` before the first token, and with `GRAMMAR_DEAD_END` where
   * no token can follow and the answer cannot end; tokens before that have been handed out.
   */
  readonly grammar?: GrammarSpec;
  /**
   * Whether tokens are guessed ahead. Guesses change nothing but the time: the same tokens are sampled in
   * the same way, up to what rounding differs with the size of a step; none that was wrong stays in the
   * cache, nor one that comes after the end; and a guess that was right takes credit like any token. `off`
   * where the engine does not declare `capabilities.speculation`.
   */
  readonly speculation: Speculation;
  /** Alternatives to report with each token, 0 for the token's own log-probability; `undefined` for none. */
  readonly logprobs: number | undefined;
  /** Tokens that the driver may be ahead of the reader before it parks this generation alone. */
  readonly creditTokens: number;
}

/** Log-probabilities at one position, natural logarithm. */
export interface TokenLogprobs {
  /** The token that was sampled. */
  readonly token: Token;
  /** Its log-probability, before any sampling setting was applied; 0 at most. */
  readonly logprob: number;
  /** The most probable tokens, best first. */
  readonly top: readonly { readonly token: Token; readonly logprob: number }[];
}

/** What came since the last pull. Every generation ends with one batch that has `finish`. */
export interface TokenBatch {
  /** Sampled tokens in order; empty while prefilling. */
  readonly tokens: readonly Token[];
  /** One row a token, when asked for. */
  readonly logprobs?: readonly TokenLogprobs[];
  /** New prompt tokens that have been prefilled so far. */
  readonly prefilledTokens: number;
  /** Time spent prefilling so far, in milliseconds, waiting for other sequences not counted. */
  readonly prefillMs: number;
  /** Time spent decoding and sampling so far, in milliseconds, waiting not counted. */
  readonly decodeMs: number;
  /** Of the tokens sampled so far, those whose first choice the grammar refused; with a grammar. */
  readonly rejectedTokens?: number;
  /** Guessed tokens that steps have taken along so far, right or wrong; where it guesses. */
  readonly draftedTokens?: number;
  /** Of those, the right ones that were sampled; where it guesses. */
  readonly acceptedTokens?: number;
  /**
   * Set on the last batch: an end token was sampled, `maxTokens` were, the context (or the pool that
   * sequences share) is full, or by the grammar nothing can follow.
   */
  readonly finish?: 'end-token' | 'max-tokens' | 'context-full' | 'grammar-end';
  /** Where this generation runs, where that is not what the model's `placement` says. */
  readonly placement?: Placement;
}

/** What of a sequence's cache to read. */
export interface ExportKvOptions {
  /**
   * Tokens at the beginning to leave out: the reader has them. 0 by default; the cache's whole length
   * gives a snapshot of no tokens, with the logits alone.
   */
  readonly fromToken?: number;
  /** Stops the reading, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** One sequence with its KV cache. One call at a time; core keeps to it. */
export interface SequenceDriver {
  /** Tokens whose keys and values are in the cache now. */
  readonly tokenCount: number;
  /**
   * Appends `tokens` after what is cached, then decodes. There is at least one, but where the logits
   * that follow the last cached token are known (kept by `keepLogits`, or imported with a snapshot):
   * then there may be none, nothing is computed again, and the first token is sampled from those.
   *
   * The driver works ahead of the reader by `creditTokens` at most. Leaving the iteration stops the
   * driver; `return()` settles once it has stopped. An aborted signal makes the pending pull reject
   * with the signal's reason, within one step. In both cases the cache holds whole tokens only, and
   * `tokenCount` says how many. The sampled token that came last is never in the cache.
   */
  generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncIterable<TokenBatch>;
  /**
   * Cuts the cache to its first `tokenCount` tokens and returns how many are left: as asked, or 0
   * where `capabilities.truncate` is `all-or-nothing` and something had to go.
   */
  truncate(tokenCount: number): Promise<number>;
  /**
   * Replaces the cache by the first tokens of another sequence of the same model. From then on each
   * goes its own way; where sequences share one pool of tokens, these take no more room than before.
   * The other one may be generating meanwhile. Kept logits come along with a whole cache.
   *
   * @returns whether it was done. Not where the other one has fewer tokens by then, or where the engine
   * can only copy whole caches and it has more, or has other adapters applied; this cache is then as it
   * was.
   *
   * Declared by `capabilities.copySequence`.
   */
  copyFrom?(source: SequenceDriver, tokenCount: number): Promise<boolean>;
  /**
   * Takes tokens out of the middle of the cache; those behind them move up. They were computed with the
   * removed ones before them, and stay as they are: what follows differs from what a sequence says that
   * has never seen those. The cache of other sequences, copies among them, has to lie elsewhere from
   * `from` on.
   *
   * @returns whether it was done. Not where this model's cache cannot be moved; it is then as it was.
   *
   * Declared by `capabilities.removeTokens`.
   */
  removeTokens?(from: number, to: number): Promise<boolean>;
  /**
   * Has adapters applied to all that is computed from now on, each at its scale; none for an empty list,
   * as in a new sequence. Empties the cache where they are others than before, or at other scales: what
   * is in it was computed with those. Sequences with different adapters may run side by side; a snapshot's
   * lineage names those of its sequence. Declared by `capabilities.adapters`.
   *
   * @throws MobillmError `CLOSED` for an adapter that was closed; InvalidArgument for one of another model.
   */
  setAdapters?(adapters: readonly DriverAdapterUse[]): Promise<void>;
  /** Reads the cache, or its end. Declared by `capabilities.exportKv`. */
  exportKv?(options?: ExportKvOptions): Promise<KvSnapshot>;
  /**
   * Appends a snapshot's tokens, keys and values after what is cached. The snapshot may have another
   * number format and another pairing of rotated values than the engine; the engine converts them.
   * On a failure the cache is as it was. Tensors may be read on another thread: they must not be changed
   * or transferred until the promise settles.
   *
   * @throws MobillmError `KV_MISMATCH` when it belongs to other weights, has another shape, or does
   * not begin where the cache ends; `CONTEXT_FULL` when it does not fit. Declared by
   * `capabilities.importKv`.
   */
  importKv?(snapshot: KvSnapshot, signal?: AbortSignal): Promise<void>;
  /** Stops what runs, waits for it and gives the sequence back; may be called twice. */
  close(): Promise<void>;
}
