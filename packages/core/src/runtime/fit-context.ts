import type { MemoryEstimate } from '../engine/device.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { chooseContextAsync } from '../planner/choose-context.js';
import { formatBytes } from '../planner/format-bytes.js';
import { memoryAdvice } from './memory-advice.js';
import { excess, type MemoryLimits, type MemoryPlace, tightestPlace } from './memory-limits.js';

/** What {@link fitContext} chooses from. */
export interface FitContextOptions {
  /** Context asked for in tokens, or `auto`. */
  readonly asked: number | 'auto';
  /** Largest context that `auto` takes, in tokens. */
  readonly largestTokens: number;
  /** Memory that may be used. */
  readonly limits: MemoryLimits;
  /** Tells the memory that a context needs; where that falls as the context grows, a larger one may fit. */
  readonly estimate: (contextTokens: number) => Promise<MemoryEstimate>;
  /** What the engine says of its options where memory is short. */
  readonly advice: (contextTokens: number, place: MemoryPlace) => readonly string[];
}

/**
 * Chooses the context to open a model with, and refuses one that does not fit the memory, before
 * anything is allocated.
 *
 * @throws MobillmError `OUT_OF_MEMORY` with the bytes needed and available, and the largest context
 * that would fit.
 */
export async function fitContext(options: FitContextOptions): Promise<number> {
  const { asked, largestTokens, limits, estimate } = options;
  const wanted = asked === 'auto' ? largestTokens : asked;
  if (limits.machineBytes === undefined && limits.devices.length === 0) return wanted;
  const places = new Map<number, MemoryPlace>();
  const placeFor = async (tokens: number): Promise<MemoryPlace> => {
    const known = places.get(tokens) ?? tightestPlace(await estimate(tokens), limits);
    places.set(tokens, known);
    return known;
  };
  const tightest = await placeFor(wanted);
  if (excess(tightest) <= 0) return wanted;
  const missing = async (tokens: number) => excess(await placeFor(tokens));
  const fitting = await chooseContextAsync(missing, 0, { maxTokens: wanted });
  if (asked === 'auto' && fitting) return fitting.contextTokens;
  throw outOfMemory(wanted, tightest, fitting?.contextTokens, options.advice(wanted, tightest));
}

function outOfMemory(
  contextTokens: number,
  { device, neededBytes, availableBytes }: MemoryPlace,
  largestContextTokens: number | undefined,
  own: readonly string[],
): MobillmError {
  const where = device === undefined ? '' : ` on the device "${device}"`;
  const context =
    largestContextTokens === undefined
      ? undefined
      : `a context of ${largestContextTokens} tokens at most`;
  const advice = memoryAdvice(context, own);
  return new MobillmError(
    'OUT_OF_MEMORY',
    `With a context of ${contextTokens} tokens this model needs ${formatBytes(neededBytes)} of memory${where}, and ${formatBytes(availableBytes)} are available. ${advice}`,
    {
      retryable: true,
      details: {
        contextTokens,
        neededBytes,
        availableBytes,
        largestContextTokens,
        ...(device !== undefined && { device }),
      },
    },
  );
}
