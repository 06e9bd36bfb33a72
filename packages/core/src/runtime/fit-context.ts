import type { MemoryEstimate } from '../engine/device.js';
import { MobillmError } from '../errors/mobillm-error.js';

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

/** Contexts are chosen in steps of this many tokens. */
const stepTokens = 256;
/** A context below this is of no use for a conversation; `auto` does not go lower. */
const smallestTokens = 512;

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
  const needed = (await estimate(wanted)).totalBytes;
  if (needed <= budgetBytes) return wanted;

  const smallest = Math.min(smallestTokens, wanted);
  const smallestBytes = smallest === wanted ? needed : (await estimate(smallest)).totalBytes;
  const fitting = largestBelow(budgetBytes, { smallest, smallestBytes, wanted, needed });
  if (asked === 'auto' && fitting !== undefined) return fitting;
  throw outOfMemory(wanted, needed, budgetBytes, fitting);
}

/** By interpolation: the need is a constant plus so many bytes a token. */
function largestBelow(
  budgetBytes: number,
  line: { smallest: number; smallestBytes: number; wanted: number; needed: number },
): number | undefined {
  if (line.smallestBytes > budgetBytes) return undefined;
  const bytesPerToken = (line.needed - line.smallestBytes) / (line.wanted - line.smallest);
  const tokens = line.smallest + (budgetBytes - line.smallestBytes) / bytesPerToken;
  return Math.max(line.smallest, Math.floor(tokens / stepTokens) * stepTokens);
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
    `With a context of ${contextTokens} tokens this model needs ${mebibytes(neededBytes)} of memory, and ${mebibytes(availableBytes)} are available. ${advice}`,
    {
      retryable: true,
      details: { contextTokens, neededBytes, availableBytes, largestContextTokens },
    },
  );
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
}
