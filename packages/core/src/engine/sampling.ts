import * as check from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import type { Token } from '../tokenizer/tokenizer.js';

/** How the next token is chosen. Steps apply in the order of this list. */
export interface SamplingOptions {
  /** Added to the logits of single tokens, by token number; `-Infinity` forbids one. Default none. */
  readonly logitBias?: Readonly<Record<Token, number>>;
  /** Divides the logits of tokens seen in the last `penaltyLastTokens`; above 0, 1 is off. Default 1. */
  readonly repeatPenalty?: number;
  /** Subtracted from a logit for each time its token was seen; −2 to 2, 0 is off. Default 0. */
  readonly frequencyPenalty?: number;
  /** Subtracted once from the logit of a token that was seen; −2 to 2, 0 is off. Default 0. */
  readonly presencePenalty?: number;
  /** How many tokens back the penalties look, prompt included; 0 turns them off. Default 64. */
  readonly penaltyLastTokens?: number;
  /** Keeps the `topK` most probable tokens; 0 keeps all. Default 40. */
  readonly topK?: number;
  /** Keeps the most probable tokens that together reach this probability; above 0, 1 is off. Default 0.95. */
  readonly topP?: number;
  /** Keeps tokens at least this probable relative to the best one; 0 is off. Default 0.05. */
  readonly minP?: number;
  /** Flattens (above 1) or sharpens the distribution; 0 takes the best token always. Default 0.8. */
  readonly temperature?: number;
  /** Makes the choice repeatable: an unsigned 32-bit integer. Drawn at random by default and reported. */
  readonly seed?: number;
}

/** {@link SamplingOptions} with every default filled in, as a driver gets it. */
export interface ResolvedSampling extends Readonly<Required<Omit<SamplingOptions, 'logitBias'>>> {
  /** Added to the logits of single tokens; one row a token. */
  readonly logitBias: readonly { readonly token: Token; readonly bias: number }[];
}

const checkLogitBias: check.Check<Readonly<Record<Token, number>>> = (value, key) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(key, 'an object from token numbers to biases', value);
  }
  for (const [token, bias] of Object.entries(value)) {
    const number = /^\d+$/.test(token) ? Number(token) : NaN;
    check.integer({ min: 0, max: 0x7fffffff })(number, `${key}[${token}] (a token number)`);
    if (bias !== -Infinity) check.number()(bias, `${key}[${token}]`);
  }
  return value as Readonly<Record<Token, number>>;
};

/** The checks of all sampling options, to be spread into the check of an options object. */
export const samplingChecks = {
  logitBias: checkLogitBias,
  repeatPenalty: check.number({ min: 0, exclusiveMin: true }),
  frequencyPenalty: check.number({ min: -2, max: 2 }),
  presencePenalty: check.number({ min: -2, max: 2 }),
  penaltyLastTokens: check.integer({ min: 0, max: 1 << 20 }),
  topK: check.integer({ min: 0, max: 0x7fffffff }),
  topP: check.number({ min: 0, max: 1, exclusiveMin: true }),
  minP: check.number({ min: 0, max: 1 }),
  temperature: check.number({ min: 0 }),
  seed: check.integer({ min: 0, max: 0xffffffff }),
} as const;

/** What {@link samplingChecks} let through. */
export type CheckedSampling = {
  readonly [K in keyof typeof samplingChecks]?: ReturnType<(typeof samplingChecks)[K]>;
};

/** Fills in the defaults; a seed is drawn where none was given. */
export function resolveSampling(checked: CheckedSampling): ResolvedSampling {
  return {
    logitBias: Object.entries(checked.logitBias ?? {}).map(([token, bias]) => ({
      token: Number(token),
      bias,
    })),
    repeatPenalty: checked.repeatPenalty ?? 1,
    frequencyPenalty: checked.frequencyPenalty ?? 0,
    presencePenalty: checked.presencePenalty ?? 0,
    penaltyLastTokens: checked.penaltyLastTokens ?? 64,
    topK: checked.topK ?? 40,
    topP: checked.topP ?? 0.95,
    minP: checked.minP ?? 0.05,
    temperature: checked.temperature ?? 0.8,
    seed: checked.seed ?? Math.floor(Math.random() * 0x1_0000_0000),
  };
}

/** Always the most probable token. */
export const greedy: ResolvedSampling = {
  logitBias: [],
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  penaltyLastTokens: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  temperature: 0,
  seed: 0,
};
