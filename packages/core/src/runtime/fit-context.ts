import type { MemoryEstimate } from '../engine/device.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { chooseContextAsync } from '../planner/choose-context.js';
import { formatBytes } from '../planner/format-bytes.js';

/** What {@link fitContext} chooses from. */
export interface FitContextOptions {
  /** Context asked for in tokens, or `auto`. */
  readonly asked: number | 'auto';
  /** Largest context that `auto` takes, in tokens. */
  readonly largestTokens: number;
  /** Memory that may be used, in bytes; `undefined` where the system does not tell. */
  readonly budgetBytes: number | undefined;
  /** Tells the memory that a context needs; it grows linearly with the context. */
  readonly estimate: (contextTokens: number) => Promise<MemoryEstimate>;
}

/**
 * Chooses the context to open a model with, and refuses one that does not fit the memory, before
 * anything is allocated.
 *
 * @throws MobillmError `OUT_OF_MEMORY` with the bytes needed and available, and the largest context
 * that would fit.
 */
export async function fitContext(options: FitContextOptions): Promise<number> {
  const { asked, largestTokens, budgetBytes, estimate } = options;
  const wanted = asked === 'auto' ? largestTokens : asked;
  if (budgetBytes === undefined) return wanted;
  const bytesByTokens = new Map<number, number>();
  const bytesFor = async (tokens: number): Promise<number> => {
    const known = bytesByTokens.get(tokens) ?? (await estimate(tokens)).totalBytes;
    bytesByTokens.set(tokens, known);
    return known;
  };
  const neededBytes = await bytesFor(wanted);
  if (neededBytes <= budgetBytes) return wanted;
  const fitting = await chooseContextAsync(bytesFor, budgetBytes, { maxTokens: wanted });
  if (asked === 'auto' && fitting) return fitting.contextTokens;
  throw outOfMemory(wanted, neededBytes, budgetBytes, fitting?.contextTokens);
}

function outOfMemory(
  contextTokens: number,
  neededBytes: number,
  availableBytes: number,
  largestContextTokens: number | undefined,
): MobillmError {
  const advice =
    largestContextTokens === undefined
      ? 'Use a smaller model or a smaller quantization of it, or free memory.'
      : `Use a context of ${largestContextTokens} tokens at most, a smaller quantization, or free memory.`;
  return new MobillmError(
    'OUT_OF_MEMORY',
    `With a context of ${contextTokens} tokens this model needs ${formatBytes(neededBytes)} of memory, and ${formatBytes(availableBytes)} are available. ${advice}`,
    {
      retryable: true,
      details: { contextTokens, neededBytes, availableBytes, largestContextTokens },
    },
  );
}
