import type { MobillmError } from '../errors/mobillm-error.js';
import type { Message } from '../chat/message.js';
import type { ToolChoice, ToolDefinition } from '../chat/tools/tool-definition.js';
import type { JsonSchema } from '../structure/json-schema-to-grammar.js';
import type { ModelFiles } from '../store/model-files.js';
import type { GenerationRun } from '../stream/generation-run.js';
import type { SamplesRun } from '../stream/samples-run.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import type { EngineCapabilities } from './capabilities.js';
import type { Device, MemoryEstimate, Placement } from './device.js';
import type { AdapterInfo, ModelInfo, ModelLevers, Pooling, Speculation } from './driver.js';
import type { SamplingOptions } from './sampling.js';

/** Options of {@link Engine.estimate}. */
export interface EstimateOptions {
  /** Context of one sequence in tokens; the model's trained context by default. */
  readonly contextTokens?: number;
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; see its factory. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Stops the estimate. */
  readonly signal?: AbortSignal;
}

/** Options of {@link Engine.fit}. */
export interface FitOptions {
  /** Memory that the model may take, in bytes; what may be used now by default, less a reserve. */
  readonly budgetBytes?: number;
  /**
   * Contexts of one sequence that are of use, in tokens: from 512 to the model's trained context by
   * default.
   */
  readonly contextTokens?: { readonly min?: number; readonly max?: number };
  /**
   * What to keep where not all fits: `precision` (the default) keeps the best number formats and
   * shortens the context as far as `min`; `context` takes the longest context that any has.
   */
  readonly prefer?: 'precision' | 'context';
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; what is given here is not searched. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

/** What {@link Engine.fit} found. */
export interface FittingOptions {
  /** To be passed to {@link Engine.open}, with whatever else it is to be told. */
  readonly openOptions: {
    readonly contextTokens: number;
    readonly sequences: number;
    readonly device?: string;
    readonly engineOptions: Readonly<Record<string, unknown>>;
  };
  /** What the model then takes. */
  readonly estimate: MemoryEstimate;
  /** What it may take, in bytes; absent where the system does not tell. */
  readonly budgetBytes?: number;
  /** Why it is these options, for a person to read. */
  readonly reason: string;
}

/** Options of {@link Engine.open}. */
export interface OpenOptions {
  /**
   * Context of one sequence in tokens, at most what the model was trained for. `auto` (the default)
   * takes the largest that fits the memory available now, 8192 at most.
   */
  readonly contextTokens?: number | 'auto';
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Threads to decode with. `auto` (the default): as many as are free, never more than the fast cores. */
  readonly threads?: number | 'auto';
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; see its factory. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Jinja source to use instead of the model's own chat template. */
  readonly chatTemplate?: string;
  /** Stops the opening, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Options that every generation has. */
export interface GenerationOptions extends SamplingOptions {
  /** Tokens to sample at most; until the context is full by default. */
  readonly maxTokens?: number;
  /** Strings that end the answer; the one found is cut off. Default none. */
  readonly stop?: string | readonly string[];
  /**
   * Whether `<think>…</think>` is split from the answer. `auto` (the default) splits; `keep` leaves
   * it in the text.
   */
  readonly reasoning?: 'auto' | 'keep';
  /**
   * Tools that the model may call, at most 512; they go into the prompt by its chat template. Only for
   * `messages` and sessions. Default none.
   */
  readonly tools?: readonly ToolDefinition[];
  /**
   * Whether it may or must call them. Default `auto`. To make it call (`required`, or the name of a tool)
   * takes an engine with `capabilities.grammar`, and is beside `grammar`, `schema` and `regex` a wrong
   * call. The answer is then calls alone, whose arguments are valid by the tools' schemas;
   * `SCHEMA_UNSUPPORTED` names the tool whose schema cannot be followed. A model that thinks does not
   * do so before. What calls begin with counts as prompt.
   */
  readonly toolChoice?: ToolChoice;
  /**
   * Calls at most, 1 to 64, of an answer that `toolChoice` makes calls. Default 1. Some models write one
   * in any case: see `docs/tool-calling.md`.
   */
  readonly maxToolCalls?: number;
  /**
   * Grammar in GBNF that the whole answer matches, what is thought before it included; its rule `root`
   * comes first. None by default. Declared by `capabilities.grammar`.
   *
   * The run fails with `GRAMMAR_INVALID` before its first text, and with `GRAMMAR_DEAD_END` where the
   * model has no token to go on with. An answer that was cut (`maxTokens`, a stop string) is the beginning
   * of one that matches.
   */
  readonly grammar?: string;
  /**
   * JSON Schema that the answer is valid by; parsed, it is the result's `json`. See
   * {@link jsonSchemaToGrammar} for what is followed, and for what is refused with `SCHEMA_UNSUPPORTED`.
   * None by default; one of `grammar`, `schema` and `regex` at most. Declared by `capabilities.grammar`.
   * The model is not told of it: say in the prompt what is wanted. Beside `tools` only with `toolChoice`
   * `none`: an answer that is all form calls nothing.
   */
  readonly schema?: JsonSchema;
  /**
   * Regular expression that the whole answer matches, as {@link regexToGrammar} reads it. None by
   * default. Declared by `capabilities.grammar`.
   */
  readonly regex?: RegExp | string;
  /**
   * Adapters of the same model that are applied, each at its scale; none by default, and at most 32. Other
   * generations go on beside with theirs. What was cached with other adapters, or at other scales, is not
   * used: it is computed again. Declared by `capabilities.adapters`.
   */
  readonly adapters?: readonly AdapterUse[];
  /**
   * Whether tokens are guessed ahead and checked together in one step, which saves time where guesses are
   * often right: in summaries, corrections, extracts and code, which repeat what the prompt has. `auto`
   * guesses where that was measured to pay, and decodes plainly where the engine does not declare
   * `capabilities.speculation`; `always` guesses wherever it can, and is refused there; `off` never does.
   * `usage` tells how many guesses were right.
   *
   * Tokens are sampled in the same way. But a step of several tokens rounds a little differently than
   * steps of one, as a step shared with other sessions does, and that can tip a choice between two near
   * equals. So the default is `auto`, but `off` where a `seed` or a `temperature` of 0 asks for an answer
   * that can be repeated.
   */
  readonly speculation?: Speculation;
  /** Alternatives to report with each token, 0 to 20; none by default. Declared by `capabilities.logprobs`. */
  readonly logprobs?: number;
  /** Ends the generation; the run then rejects with the signal's reason and keeps its partial result. */
  readonly signal?: AbortSignal;
}

/** A whole conversation, a raw text, or raw tokens: exactly one of the three. */
export type GenerateInput =
  | {
      /** The conversation, rendered by the model's chat template. */
      readonly messages: readonly Message[];
    }
  | {
      /** Text to go on from, without a chat template; special tokens in it stay text. */
      readonly prompt: string;
    }
  | {
      /** Tokens to go on from, taken as they are. */
      readonly tokens: readonly Token[];
    };

/** Options of {@link Model.generate}. */
export type GenerateOptions = GenerateInput & GenerationOptions;

/** Options of {@link Model.generateSamples}. */
export type GenerateSamplesOptions = GenerateOptions & {
  /** Answers to generate, from 1 to the sequences that the model was opened with. */
  readonly n: number;
};

/** Options of {@link Model.createSession}. */
export interface SessionOptions {
  /** System message. None by default; some templates then put in their own. */
  readonly system?: string;
  /** Messages that went before. */
  readonly messages?: readonly Message[];
  /**
   * What happens when the conversation no longer fits the context: `error`, the default, fails with
   * `CONTEXT_FULL` and both counts; `shift` leaves the oldest messages out of the prompt, also in the
   * middle of an answer. `messages` keeps them, and `usage.droppedMessages` says how many are out. What
   * is left is not computed again where the engine can move its cache: the model then still knows
   * something of what was dropped, and such a cache is neither saved nor lent to others.
   */
  readonly contextPolicy?: 'error' | 'shift';
  /** Messages at the beginning that `shift` always keeps. By default the system message, if there is one. */
  readonly keepMessages?: number;
  /** Defaults for every `send`. */
  readonly defaults?: Omit<GenerationOptions, 'signal'>;
}

/** Options of {@link Model.loadAdapter}. */
export interface LoadAdapterOptions {
  /** Stops it; the promise then rejects with the signal's reason and nothing stays allocated. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** A change of a model's weights (LoRA), loaded beside them. */
export interface Adapter {
  /** What its file says. */
  readonly info: AdapterInfo;
  /**
   * Ends generations that have it applied with `CLOSED`, waits for them, drops what was cached with it
   * and gives its memory back; may be called twice. A session that has it among its defaults stays open,
   * and says `CLOSED` when it is sent something without other `adapters`. Goes with its model.
   */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** An adapter as one of those that are applied. */
export interface AdapterUse {
  /** Loaded by the same model. */
  readonly adapter: Adapter;
  /**
   * What its change is multiplied by, beside its own alpha; as f32. Default 1; at 0 it changes nothing, and
   * below it is taken away.
   */
  readonly scale?: number;
}

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

/** Options of {@link Session.save}. */
export interface SaveSessionOptions {
  /** Stops it; nothing is written then. */
  readonly signal?: AbortSignal;
  /** Told the share of the file that is written, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What {@link Session.save} wrote. */
export interface SavedSessionReport {
  /** Length of the file in bytes. */
  readonly bytes: number;
  /** Tokens whose keys and values are in it. */
  readonly cachedTokens: number;
  /** Why the cache is not in it, where it is not: then it is computed again after a restore. */
  readonly reason?: MobillmError;
}

/** Options of {@link Model.restoreSession}. */
export interface RestoreSessionOptions {
  /** Defaults for every `send`. */
  readonly defaults?: Omit<GenerationOptions, 'signal'>;
  /** See {@link SessionOptions.contextPolicy}; by default what the session was saved with. */
  readonly contextPolicy?: 'error' | 'shift';
  /** See {@link SessionOptions.keepMessages}. */
  readonly keepMessages?: number;
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of the file that is read, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What became of the cache of a session that was restored. */
export interface RestoredCache {
  /** Tokens that need not be computed again. */
  readonly cachedTokens: number;
  /**
   * Why the cache in the file was not used, where it was not: the next `send` computes the conversation
   * again, and all else is as if it had been used.
   */
  readonly reason?: MobillmError;
}

/** A back end that opens models. The same class, made by core, stands over every driver. */
export interface Engine {
  /** Short name: `llamacpp`. */
  readonly name: string;
  /** Version of the engine's package. */
  readonly version: string;
  /** What it can do on this machine. */
  readonly capabilities: EngineCapabilities;
  /** What it can compute on; the first is the default. */
  readonly devices: readonly Device[];
  /**
   * Memory that a model would take, before anything is loaded.
   *
   * @throws MobillmError `UNSUPPORTED`, `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
   */
  estimate(files: ModelFiles | string, options?: EstimateOptions): Promise<MemoryEstimate>;
  /**
   * Finds the options to open a model with that fit a budget of memory, by estimates alone: the
   * context, and the options of this engine that trade precision for memory.
   *
   * @throws MobillmError `OUT_OF_MEMORY` with the least that the model needs (`details.neededBytes`),
   * `UNSUPPORTED` where the engine cannot estimate, and as `estimate`; InvalidArgument.
   */
  fit(files: ModelFiles | string, options?: FitOptions): Promise<FittingOptions>;
  /**
   * Opens a model from a path or from the files that a store resolved.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `OUT_OF_MEMORY`,
   * `ADDON_NOT_FOUND`, `CLOSED`; InvalidArgument for a bad option.
   */
  open(files: ModelFiles | string, options?: OpenOptions): Promise<Model>;
  /** Closes its models and frees everything; may be called twice. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * An opened model: weights in memory. Close it: a model that is only forgotten lives as long as its
 * engine.
 */
export interface Model {
  /** What the model says of itself. */
  readonly info: ModelInfo;
  /** Context of one sequence in tokens. */
  readonly contextTokens: number;
  /** Its vocabulary. */
  readonly tokenizer: Tokenizer;
  /** What runs where, now. */
  readonly placement: Placement;
  /** Opens a conversation that keeps its cache between turns. */
  createSession(options?: SessionOptions): Promise<Session>;
  /**
   * Opens a conversation that {@link Session.save} wrote, with its cache. As often as wanted: a session
   * that was saved with a system message alone serves as a beginning that many share, and where the
   * engine declares `copySequence` what they share is in memory once.
   *
   * A cache that does not fit this model, or is damaged, is no error: `restored` of the session says
   * so, and the conversation is computed again.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`; `INTEGRITY_FAILED` when the file holds no
   * session; `KV_MISMATCH` when it is of a version that this one cannot read; `BUSY` when all sequences are in use; `UNSUPPORTED` where the platform has no files.
   */
  restoreSession(path: string, options?: RestoreSessionOptions): Promise<Session>;
  /**
   * Generates once, without a session. A cache left by an earlier call is used where the prompts
   * begin alike.
   *
   * Past the number of sequences that the model was opened with, up to 64 generations wait their turn;
   * one more fails with `BUSY`, as does one for which no sequence can become free because sessions
   * hold them all. One whose events nobody reads keeps its sequence until it is read, left or aborted.
   */
  generate(options: GenerateOptions): GenerationRun;
  /**
   * Generates several answers to one prompt at once. The prompt is computed once where the engine
   * declares `copySequence`: `usage.cachedTokens` of all answers but the first says so. Answer `i` has
   * the seed `seed + i`, so the first is what `generate` gives; at `temperature: 0` all are alike.
   */
  generateSamples(options: GenerateSamplesOptions): SamplesRun;
  /**
   * Renders messages by the model's chat template and encodes them, as `generate` does.
   *
   * @throws MobillmError `TEMPLATE_FAILED`; `UNSUPPORTED` when the model has no chat template.
   */
  encodeMessages(
    messages: readonly Message[],
    options?: { readonly tools?: readonly ToolDefinition[] },
  ): Token[];
  /**
   * One vector a text, in order, each of `info.embedding.length` numbers. Many texts at once cost less
   * than one after another. Generations of the same model go on meanwhile.
   *
   * Calls of `embed` and `rerank` are computed one after another. Up to 64 wait their turn; one more
   * fails with `BUSY`.
   *
   * Declared by `capabilities.embed`; models that cannot are those whose `info.tasks` lack `embed`.
   *
   * @throws MobillmError `CONTEXT_FULL`, with both counts, for a text longer than the context;
   * `UNSUPPORTED`; `BUSY`; `OUT_OF_MEMORY`, where vectors need room that was not set aside.
   */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /**
   * Scores documents by how well they answer a query, best first.
   *
   * Declared by `capabilities.rerank`; models that can are those whose `info.tasks` have `rerank`.
   *
   * @throws MobillmError `CONTEXT_FULL`, with both counts, for a document that does not fit the context
   * together with the query; `UNSUPPORTED`; `BUSY`, as `embed`; `OUT_OF_MEMORY`.
   */
  rerank(
    query: string,
    documents: readonly string[],
    options?: RerankOptions,
  ): Promise<RerankResult[]>;
  /**
   * Loads an adapter (LoRA) from a path or from files that a store resolved, to be applied by the option
   * `adapters` of generations and sessions. Declared by `capabilities.adapters`.
   *
   * @throws MobillmError `FILE_NOT_FOUND`; `MODEL_INVALID` where the file is damaged or no adapter;
   * `MODEL_UNSUPPORTED` where it was made for another model, or cannot be applied; `OUT_OF_MEMORY`;
   * `UNSUPPORTED`.
   */
  loadAdapter(files: ModelFiles | string, options?: LoadAdapterOptions): Promise<Adapter>;
  /** Changes levers while the model is open. Declared by `capabilities.adjust`. */
  adjust(levers: ModelLevers): Promise<void>;
  /** Gives back up to that many bytes of caches and returns what was freed. Declared by `capabilities.trim`. */
  trim(bytes: number): Promise<number>;
  /** Stops what runs, waits for it, closes sessions, frees the weights; may be called twice. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A conversation with its own KV cache. One `send` at a time. */
export interface Session {
  /** What was said so far. An aborted answer stays in, as far as it came; a failed turn does not. */
  readonly messages: readonly Message[];
  /** Tokens in its cache. */
  readonly tokenCount: number;
  /**
   * Says something and generates the answer: a text of the user, a message, or several, such as the
   * results of all tools that the last answer called.
   *
   * The run fails with `BUSY` while another one of this session goes on, and with `CONTEXT_FULL`
   * when the conversation no longer fits.
   */
  send(message: string | Message | readonly Message[], options?: GenerationOptions): GenerationRun;
  /** What became of the saved cache, where the session was restored from a file. */
  readonly restored: RestoredCache | undefined;
  /**
   * Writes messages and cache to a file that is then there in full or not at all. What the
   * conversation begins with and nobody has computed yet, such as a system message, is computed first.
   * The file fits every engine and build that has these weights.
   *
   * @throws MobillmError `BUSY` while a run of this session goes on; `IO_FAILED`; `FILE_NOT_FOUND` for a
   * folder that is not there; `UNSUPPORTED` where the platform has no files.
   */
  save(path: string, options?: SaveSessionOptions): Promise<SavedSessionReport>;
  /** Drops all messages but the system message, and the cache with them. */
  reset(): Promise<void>;
  /**
   * Stops what runs, waits for it and gives the place back; may be called twice. What was cached stays
   * behind until its room is needed: a conversation that begins alike goes on from it.
   */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}
