import { check, type ModelStore, wrongType, wrongValue } from '@mobillm/core';
import { type WeightFormat, weightFormats } from './weight-formats.js';

/** What {@link optimizeModel} is doing. */
export interface OptimizeProgress {
  /**
   * `learning`: the text is read to learn how the weights are used; `sensitivity`: groups of tensors get
   * fewer bits, one group at a time; `judging`: a candidate is compared with the source; `writing` a
   * candidate's file; `timing` it beside the source.
   */
  readonly phase: 'learning' | 'sensitivity' | 'judging' | 'writing' | 'timing';
  /** Candidate that the phase is for, as in {@link OptimizeCandidate.name}. */
  readonly candidate?: string;
  /** Share of the phase that is done, 0 to 1. */
  readonly share: number;
}

/** The size that a model is to have, in one of two ways. */
export type SizeBudget =
  | {
      /** Most bytes of the new file. */
      readonly fileBytes: number;
    }
  | {
      /** Most bits a weight, over all tensors of the model. */
      readonly bitsPerWeight: number;
    };

/** Options of {@link optimizeModel}. */
export interface OptimizeOptions {
  /**
   * Text of the kind that the model is for. Its end judges candidates; what comes before is learned from:
   * how much each column of a matrix matters, and for a budget, which tensors are sensitive. 300 tokens at
   * least; thousands say more.
   */
  readonly text: string;
  /** Path of the new file, which must not exist, unless `overwrite`. Either this or `store`. */
  readonly output?: string;
  /** Whether the new file takes the place of one that is there; never of the source. Default false. */
  readonly overwrite?: boolean;
  /** Store that the new file is moved into, as a model of the name `name`. */
  readonly store?: Pick<ModelStore, 'add'>;
  /** Name in the store. Default: the source's file name with the format behind it. */
  readonly name?: string;
  /** Folder in which the file is written before the store gets it. Default: the source's folder. */
  readonly folder?: string;
  /**
   * `auto` (default) tries every format that makes the file smaller; a format tries that one; a budget
   * chooses a format for each tensor, so that the text changes least.
   */
  readonly target?: 'auto' | WeightFormat | SizeBudget;
  /**
   * Formats that `auto` and a budget choose from. Default: all that are likely to be chosen, which are for
   * `auto` Q8_0, Q6_K, Q5_K, Q5_0, Q4_K, IQ4_NL and Q4_0; for a budget not Q4_0, which IQ4_NL beats in the
   * same bytes, but Q5_1, Q3_K and Q2_K.
   */
  readonly formats?: readonly WeightFormat[];
  /**
   * Most that perplexity may rise, as a share: 0.05 allows 5 %. Default 0.05; with a budget, any.
   */
  readonly maxPerplexityIncrease?: number;
  /**
   * Least gain in CPU time, as a factor, for which a file is written. Default 1.1; with a budget, none.
   */
  readonly minSpeedup?: number;
  /** Whether columns that the text uses more are rounded with more care. Default `measured`. */
  readonly importance?: 'measured' | 'none';
  /**
   * Tokens at the end of the text that judge, at most half of it. Default 1024. What the source says of
   * each is kept meanwhile, which takes 2 bytes for every token of the vocabulary: 100 MB for 1024 tokens
   * and a vocabulary of 49,152.
   */
  readonly judgedTokens?: number;
  /** Tokens before those that are learned from, at most. Default 2048. */
  readonly learnedTokens?: number;
  /** For a budget: tokens that every group of tensors is tried on. Default 256. */
  readonly sensitivityTokens?: number;
  /** For a budget: parts that the layers are divided into, each with its own sensitivity. Default 4. */
  readonly layerBands?: number;
  /** As for {@link measurePerplexity}. Default 512, or the trained context. */
  readonly windowTokens?: number;
  /** Threads. Default `auto`: those that are free. */
  readonly threads?: number | 'auto';
  /** Path of the addon to load and no other. */
  readonly addon?: string | object;
  /** Stops the work; the call then rejects with the signal's reason, and no file is left. */
  readonly signal?: AbortSignal;
  /** Told what is done, several times a second while something is. */
  readonly onProgress?: (progress: OptimizeProgress) => void;
}

/** {@link OptimizeOptions} with the defaults. */
export type ResolvedOptimizeOptions = Required<
  Omit<
    OptimizeOptions,
    'output' | 'store' | 'name' | 'folder' | 'windowTokens' | 'addon' | 'signal' | 'onProgress'
  >
> &
  Pick<
    OptimizeOptions,
    'output' | 'store' | 'name' | 'folder' | 'windowTokens' | 'addon' | 'signal' | 'onProgress'
  >;

const checkFormat = check.oneOf<WeightFormat>(...weightFormats);
const checkBudget = check.optionsObject({
  fileBytes: check.integer({ min: 1 }),
  bitsPerWeight: check.number({ min: 0, exclusiveMin: true, max: 32 }),
});
const path = check.string({ nonEmpty: true });

const checkTarget: check.Check<'auto' | WeightFormat | SizeBudget> = (value, key) => {
  if (value === 'auto') return value;
  if (typeof value === 'string') return checkFormat(value, key);
  const { fileBytes, bitsPerWeight } = checkBudget(value, key);
  if (fileBytes !== undefined && bitsPerWeight === undefined) return { fileBytes };
  if (bitsPerWeight !== undefined && fileBytes === undefined) return { bitsPerWeight };
  throw wrongValue(key, 'must have either fileBytes or bitsPerWeight');
};

const checkStore: check.Check<Pick<ModelStore, 'add'>> = (value, key) => {
  if (typeof (value as Partial<ModelStore> | null)?.add === 'function') {
    return value as Pick<ModelStore, 'add'>;
  }
  throw wrongType(key, 'a model store', value);
};

const factor = check.number({ min: 0 });

const checkOptions = check.optionsObject({
  text: check.string({ nonEmpty: true }),
  output: path,
  overwrite: check.boolean,
  store: checkStore,
  name: path,
  folder: path,
  target: checkTarget,
  formats: check.arrayOf(checkFormat),
  maxPerplexityIncrease: (value, key) => (value === Infinity ? Infinity : factor(value, key)),
  minSpeedup: factor,
  importance: check.oneOf('measured', 'none'),
  judgedTokens: check.integer({ min: 16, max: 1 << 20 }),
  learnedTokens: check.integer({ min: 16, max: 1 << 20 }),
  sensitivityTokens: check.integer({ min: 16, max: 1 << 16 }),
  layerBands: check.integer({ min: 1, max: 1024 }),
  windowTokens: check.integer({ min: 16, max: 0x7fff_ff00 }),
  threads: check.either('auto', check.integer({ min: 1, max: 4096 })),
  addon: (value, key) => (typeof value === 'object' && value !== null ? value : path(value, key)),
  signal: check.abortSignal,
  onProgress: check.callback<(progress: OptimizeProgress) => void>(),
});

const common = ['Q8_0', 'Q6_K', 'Q5_K', 'Q5_0', 'Q4_K', 'IQ4_NL'] as const;
const autoFormats: readonly WeightFormat[] = [...common, 'Q4_0'];
const budgetFormats: readonly WeightFormat[] = [...common, 'Q5_1', 'Q3_K', 'Q2_K'];

/** Checks the options and fills in the defaults. */
export function resolveOptimizeOptions(options: unknown): ResolvedOptimizeOptions {
  const checked = checkOptions(options, '');
  const { text, output, store, target = 'auto' } = checked;
  if (text === undefined) throw wrongType('text', 'a string', text);
  if ((output === undefined) === (store === undefined)) {
    throw wrongValue('output', 'or a store is needed, and not both');
  }
  for (const key of ['name', 'folder'] as const) {
    if (store === undefined && checked[key] !== undefined) {
      throw wrongValue(key, 'is for a store, and there is none');
    }
  }
  const hasBudget = typeof target === 'object';
  return {
    ...checked,
    text,
    target,
    overwrite: checked.overwrite ?? false,
    formats: checked.formats ?? (hasBudget ? budgetFormats : autoFormats),
    maxPerplexityIncrease: checked.maxPerplexityIncrease ?? (hasBudget ? Infinity : 0.05),
    minSpeedup: checked.minSpeedup ?? (hasBudget ? 0 : 1.1),
    importance: checked.importance ?? 'measured',
    judgedTokens: checked.judgedTokens ?? 1024,
    learnedTokens: checked.learnedTokens ?? 2048,
    sensitivityTokens: checked.sensitivityTokens ?? 256,
    layerBands: checked.layerBands ?? 4,
    threads: checked.threads ?? 'auto',
  };
}
