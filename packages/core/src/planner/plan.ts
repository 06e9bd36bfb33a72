import type { KvType } from './kv-cache.js';

/** Memory that a model takes while it is open, in bytes, by what it is for. */
export interface PlanMemory {
  /** Weights, with what the engine keeps of them twice. */
  readonly weightsBytes: number;
  /** Keys and values of the whole context. */
  readonly kvCacheBytes: number;
  /** Intermediate results of one step. */
  readonly computeBytes: number;
  /** Vocabulary, work buffers of the threads, and what does not depend on the model. */
  readonly overheadBytes: number;
  /** Sum of all. */
  readonly totalBytes: number;
}

/** How much memory a model may take, and why. */
export interface MemoryBudget {
  /** What the model may take, in bytes; `undefined` where no reading of memory could be taken. */
  readonly budgetBytes?: number;
  /** What can be taken now, or what is assumed to be. */
  readonly availableBytes?: number;
  /** Of that, what is left to the rest of the system. */
  readonly reserveBytes: number;
  /** `live`: measured now; `share-of-total`: assumed from the machine's memory; `unknown`: neither was readable. */
  readonly source: 'live' | 'share-of-total' | 'unknown';
  /** Whose memory it is that runs out first: the machine's, a control group's or the device's own. */
  readonly limitedBy?: 'machine' | 'cgroup' | 'device';
}

/** The model that a plan is for, as far as a reader needs it. */
export interface PlannedModel {
  /** Its own name, where it has one. */
  readonly name?: string;
  /** Architecture as its format names it. */
  readonly architecture: string;
  /** Weight type. */
  readonly quantization: string;
  /** Number of weights, where the model tells. */
  readonly parameterCount?: number;
}

/** What every plan says, whether the model fits or not. */
export interface PlanBasis {
  /** The model. */
  readonly model: PlannedModel;
  /** The engine by its short name. */
  readonly engine: string;
  /** Id of the device to compute on. */
  readonly device: string;
  /** Context of one sequence in tokens; of a plan that does not fit, the one that was asked for or the smallest tried. */
  readonly contextTokens: number;
  /** Sequences that may be open at once. */
  readonly sequences: number;
  /** Number format of cached keys. */
  readonly keyType: KvType;
  /** Number format of cached values. */
  readonly valueType: KvType;
  /** Tokens in one prefill step at most. */
  readonly batchTokens: number;
  /** Memory need at this context. */
  readonly memory: PlanMemory;
  /** What it was held against. */
  readonly budget: MemoryBudget;
  /** Why the plan is as it is: one sentence each, most important first. */
  readonly reasons: readonly string[];
}

/** A plan that can be opened. */
export interface FittingPlan extends PlanBasis {
  readonly fits: true;
  /** Threads to decode with. */
  readonly threads: number;
}

/** What would help a model that does not fit; the least change comes first. */
export type PlanSuggestion =
  | {
      /** Open it with a smaller context. */
      readonly kind: 'context';
      readonly contextTokens: number;
      readonly sentence: string;
    }
  | {
      /** Open it for fewer sequences. */
      readonly kind: 'sequences';
      readonly sequences: number;
      readonly sentence: string;
    }
  | {
      /** End other programs, or lift the limit that is named. */
      readonly kind: 'free-memory';
      readonly bytes: number;
      readonly sentence: string;
    }
  | {
      /** Take the same model in fewer bits a weight; its size is estimated from the number of weights. */
      readonly kind: 'quantization';
      readonly quantization: string;
      readonly weightBytes: number;
      readonly sentence: string;
    }
  | {
      /** Take another model, with at most so many bytes of weights. */
      readonly kind: 'smaller-model';
      readonly weightBytes: number;
      readonly sentence: string;
    };

/** A refusal, with the number that refused it. */
export interface RefusedPlan extends PlanBasis {
  readonly fits: false;
  /** Bytes that are missing. */
  readonly shortBytes: number;
  /** What would help; may be empty. */
  readonly suggestions: readonly PlanSuggestion[];
}

/** What to open where and how, or why not. Plain data. */
export type Plan = FittingPlan | RefusedPlan;
