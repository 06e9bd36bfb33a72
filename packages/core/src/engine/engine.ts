import type { Message } from '../chat/message.js';
import type { ToolDefinition } from '../chat/tools/tool-definition.js';
import type { ModelFiles } from '../store/model-files.js';
import type { GenerationRun } from '../stream/generation-run.js';
import type { SamplesRun } from '../stream/samples-run.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import type { Adapter, LoadAdapterOptions } from './adapter.js';
import type { EngineCapabilities } from './capabilities.js';
import type { Device, MemoryEstimate, Placement } from './device.js';
import type { ModelInfo, ModelLevers } from './driver.js';
import type {
  GenerateOptions,
  GenerateSamplesOptions,
  GenerationOptions,
} from './generation-options.js';
import type { EstimateOptions, FitOptions, FittingOptions, OpenOptions } from './open-options.js';
import type {
  RestoreSessionOptions,
  RestoredCache,
  SaveSessionOptions,
  SavedSessionReport,
  SessionOptions,
} from './session-options.js';
import type { EmbedOptions, RerankOptions, RerankResult } from './text-options.js';

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
   * engine declares `copySequence` what they share is in memory once, also when they are restored at once.
   *
   * A cache that does not fit this model, or is damaged, is no error: `restored` of the session says
   * so, and the conversation is computed again.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`; `INTEGRITY_FAILED` when the file holds no
   * session; `KV_MISMATCH` when it is of a version that this one cannot read; `BUSY` when all sequences are in use; `UNSUPPORTED` where the platform has no files.
   */
  restoreSession(path: string, options?: RestoreSessionOptions): Promise<Session>;
  /**
   * Generates once, without a session. A cache left by an earlier call, or by a session that was closed,
   * is used where the prompts begin alike. Where the engine declares `copySequence`, and caches that can be
   * cut, calls that come at once compute what their prompts begin with in common once, from 32 tokens on:
   * one computes it, and the others begin when it is there. If that one is aborted or fails, another goes on
   * from what there is; they wait no longer than a second for one whose events nobody reads.
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
