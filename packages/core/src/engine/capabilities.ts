import type { ModelFormat } from '../store/model-files.js';

/**
 * What an engine can do, as data. It gates the planner, the contract suite and every call: asking
 * for what is not declared gives `UNSUPPORTED`, never silence.
 */
export interface EngineCapabilities {
  /** Layouts of model files that it opens. */
  readonly formats: readonly ModelFormat[];
  /** Sequences that may be open at once on one model; `Infinity` where only memory limits it. */
  readonly maxSequences: number;
  /**
   * How `truncate` cuts: `exact` to any length; `all-or-nothing` where the engine or the model's
   * architecture can only start over (recurrent state).
   */
  readonly truncate: 'exact' | 'all-or-nothing';
  /** Sampling settings that it honours; the others are refused. Greedy decoding is always there. */
  readonly sampling: readonly SamplingFeature[];
  /** Log-probabilities of sampled tokens. */
  readonly logprobs: boolean;
  /** Answers can be held to a grammar. */
  readonly grammar: boolean;
  /**
   * Tokens can be guessed ahead and checked together in one step, at least where a text repeats itself.
   * Without it `speculation: 'auto'` decodes plainly.
   */
  readonly speculation: boolean;
  /** A sequence can take over the beginning of another one's cache. */
  readonly copySequence: boolean;
  /** Tokens can be taken out of the middle of a sequence's cache. */
  readonly removeTokens: boolean;
  /** A sequence's cache can be read as a `KvSnapshot`. */
  readonly exportKv: boolean;
  /** A sequence's cache can be set from a `KvSnapshot`. */
  readonly importKv: boolean;
  /** Texts can be embedded, by models whose `info.tasks` say so. */
  readonly embed: boolean;
  /** Documents can be scored for a query, by models whose `info.tasks` say so. */
  readonly rerank: boolean;
  /**
   * Adapters (LoRA) can be loaded for an open model, and applied to each sequence apart from the others.
   */
  readonly adapters: boolean;
  /** Threads and batch size can be changed on an open model. */
  readonly adjust: boolean;
  /** Caches can be given back on request. */
  readonly trim: boolean;
  /** `estimate` can tell the memory need before a model is opened. */
  readonly estimate: boolean;
}

/** Every sampling setting that an engine may honour. */
export const samplingFeatures = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'logitBias',
  'seed',
] as const;

/** One of {@link samplingFeatures}. */
export type SamplingFeature = (typeof samplingFeatures)[number];
