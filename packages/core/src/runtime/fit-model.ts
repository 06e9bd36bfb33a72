import type { MemoryEstimate } from '../engine/device.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { chooseContextAsync } from '../planner/choose-context.js';
import { formatBytes } from '../planner/format-bytes.js';
import { memoryAdvice } from './memory-advice.js';
import {
  excess,
  type MemoryLimits,
  type MemoryPlace,
  tightestPlace,
  totalLimit,
} from './memory-limits.js';

/** What {@link fitModel} searches. */
export interface FitModelOptions {
  /** Options of the engine to choose from, the best first; at least one. */
  readonly variants: readonly Readonly<Record<string, unknown>>[];
  /** What to give up first where not all can be had. */
  readonly prefer: 'variant' | 'context';
  /** Smallest context that is of use, in tokens. */
  readonly minTokens: number;
  /** Largest context that is of use, in tokens. */
  readonly maxTokens: number;
  /** Memory that may be used. */
  readonly limits: MemoryLimits;
  /**
   * Tells the memory of a context with some options. Where it falls at some length, as an engine takes another
   * kind of attention there, what is found fits, and need not be the largest that would.
   */
  readonly estimate: (
    contextTokens: number,
    variant: Readonly<Record<string, unknown>>,
  ) => Promise<MemoryEstimate>;
  /** What the engine says of its options where memory is short. */
  readonly advice: (
    place: MemoryPlace,
    variant: Readonly<Record<string, unknown>>,
  ) => readonly string[];
}

/** What fits. */
export interface FittingModel {
  readonly contextTokens: number;
  /** The variant's, and those that the engine chose within it. */
  readonly engineOptions: Readonly<Record<string, unknown>>;
  readonly estimate: MemoryEstimate;
  /** Why it is these, in a sentence with the numbers. */
  readonly reason: string;
}

/**
 * Finds the context and the options of an engine that fit a budget, by at most eight estimates a
 * variant.
 *
 * @throws MobillmError `OUT_OF_MEMORY` with the least that the model needs.
 */
export async function fitModel(options: FitModelOptions): Promise<FittingModel> {
  const { variants, prefer, maxTokens, limits } = options;
  const missing = (estimate: MemoryEstimate) => excess(tightestPlace(estimate, limits));
  let best: FittingModel | undefined;
  let least: Least | undefined;
  for (const variant of variants) {
    const found = await fitVariant(options, variant);
    if (!found.fits) {
      const { estimate } = found;
      if (estimate && (!least || missing(estimate) < missing(least.estimate))) {
        least = { estimate, variant };
      }
      continue;
    }
    const { contextTokens } = found.estimate;
    if (best && contextTokens <= best.contextTokens) continue;
    best = {
      contextTokens,
      engineOptions: { ...variant, ...found.estimate.engineOptions },
      estimate: found.estimate,
      reason: reasonFor(found.estimate, options, variant),
    };
    if (prefer === 'variant' || contextTokens === maxTokens) break;
  }
  if (best) return best;
  throw nothingFits(least, options);
}

/** A variant, and what its smallest context takes. */
interface Least {
  readonly estimate: MemoryEstimate;
  readonly variant: Readonly<Record<string, unknown>>;
}

/** The largest context of one variant, or what its smallest takes; nothing where there is no such. */
async function fitVariant(
  { variants, minTokens, maxTokens, limits, estimate }: FitModelOptions,
  variant: Readonly<Record<string, unknown>>,
): Promise<
  | { readonly fits: true; readonly estimate: MemoryEstimate }
  | { readonly fits: false; readonly estimate?: MemoryEstimate }
> {
  const estimates = new Map<number, MemoryEstimate>();
  const missing = async (tokens: number): Promise<number> => {
    const known = await estimate(tokens, variant);
    estimates.set(tokens, known);
    return excess(tightestPlace(known, limits));
  };
  try {
    const range = { minTokens, maxTokens };
    const fitting = await chooseContextAsync(missing, 0, range);
    const known = estimates.get(fitting?.contextTokens ?? minTokens);
    if (fitting && known) return { fits: true, estimate: known };
    return { fits: false, ...(known && { estimate: known }) };
  } catch (error) {
    // A model may not take all of its engine's options; what the caller chose itself it has to.
    if (variant !== variants[0] && MobillmError.is(error, 'UNSUPPORTED')) return { fits: false };
    throw error;
  }
}

function reasonFor(
  { contextTokens, totalBytes, engineOptions }: MemoryEstimate,
  { maxTokens, limits, variants }: FitModelOptions,
  variant: Readonly<Record<string, unknown>>,
): string {
  const budgetBytes = totalLimit(limits);
  const budget = budgetBytes === Infinity ? '' : ` of ${formatBytes(budgetBytes)}`;
  const numbers = `${formatBytes(totalBytes)}${budget}`;
  const what =
    contextTokens === maxTokens
      ? `The largest context that was asked for, ${contextTokens} tokens, fits`
      : `A context of ${contextTokens} tokens is the largest found to fit`;
  const chosen = { ...(variant !== variants[0] && variant), ...engineOptions };
  const how = Object.keys(chosen).length === 0 ? '' : ` with ${JSON.stringify(chosen)}`;
  return `${what}${how}: it takes ${numbers}.`;
}

function nothingFits(
  least: Least | undefined,
  { minTokens, limits, advice }: FitModelOptions,
): MobillmError {
  const place = least && tightestPlace(least.estimate, limits);
  const { device, neededBytes, availableBytes = totalLimit(limits) } = place ?? {};
  const need = neededBytes === undefined ? 'more' : `at least ${formatBytes(neededBytes)}`;
  const where = device === undefined ? '' : ` on the device "${device}"`;
  const context =
    minTokens > 1 && takesContext(place) ? 'a smaller "contextTokens.min"' : undefined;
  const how = memoryAdvice(context, place ? advice(place, least.variant) : []);
  return new MobillmError(
    'OUT_OF_MEMORY',
    `With a context of ${minTokens} tokens this model needs ${need} of memory${where}, and the budget is ${formatBytes(availableBytes)}. ${how}`,
    {
      retryable: true,
      details: {
        contextTokens: minTokens,
        neededBytes,
        availableBytes,
        ...(device !== undefined && { device }),
      },
    },
  );
}

/** Whether a shorter context would take less there; not known of an estimate without items. */
function takesContext(place: MemoryPlace | undefined): boolean {
  if (!place || place.items.length === 0) return true;
  return place.items.some(({ purpose }) => purpose === 'kv-cache' || purpose === 'compute');
}
