import * as check from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';

/** Below this a chat has no room for an answer, so `auto` goes no lower. */
export const smallestAutoContextTokens = 512;

/** `auto` goes no higher: caches grow with it, and few chats need more. */
export const largestAutoContextTokens = 8192;

/** Bounds of a search for a context. */
export interface ContextRange {
  /** Largest context in tokens to try, at least 1. Tried as it is, whatever its factors. */
  readonly maxTokens: number;
  /** Smallest context in tokens to try; 512 by default, or `maxTokens` where that is less. */
  readonly minTokens?: number;
}

/** A context that fits. */
export interface ChosenContext {
  /** Context in tokens. */
  readonly contextTokens: number;
  /** What the estimator said of it, in bytes. */
  readonly totalBytes: number;
}

const checkTokens = check.integer({ min: 1 });

/**
 * Contexts worth trying, largest first: the largest itself, then powers of two and one and a half
 * times these, down to the smallest.
 */
export function contextCandidates(range: ContextRange): readonly number[] {
  const max = checkTokens(range.maxTokens, 'maxTokens');
  const min = checkTokens(range.minTokens ?? Math.min(smallestAutoContextTokens, max), 'minTokens');
  if (min > max) {
    throw wrongValue('minTokens', `must be at most maxTokens (${max}), but it is ${min}`);
  }
  const candidates = new Set([max, min]);
  for (let power = 2; power < max; power *= 2) {
    for (const tokens of [power, power * 1.5]) {
      if (tokens > min && tokens < max) candidates.add(tokens);
    }
  }
  return [...candidates].sort((a, b) => b - a);
}

/**
 * Finds the largest context whose estimate fits. Where the estimator falls as the context grows, what is
 * found fits, too, but need not be the largest. It is asked at most eight times for contexts up to a million
 * tokens. `undefined` when not even the smallest fits.
 *
 * @throws InvalidArgument for a range that is none, or available bytes that are no number.
 */
export function chooseContext(
  bytesFor: (contextTokens: number) => number,
  availableBytes: number,
  range: ContextRange,
): ChosenContext | undefined {
  const search = searchContext(availableBytes, range);
  let step = search.next();
  while (!step.done) step = search.next(bytesFor(step.value));
  return step.value;
}

/** {@link chooseContext} for an estimator that has to ask its engine; rejects when that does. */
export async function chooseContextAsync(
  bytesFor: (contextTokens: number) => Promise<number>,
  availableBytes: number,
  range: ContextRange,
): Promise<ChosenContext | undefined> {
  const search = searchContext(availableBytes, range);
  let step = search.next();
  while (!step.done) step = search.next(await bytesFor(step.value));
  return step.value;
}

/** Asks for the bytes of one context after another; the largest first, since it fits most often. */
function* searchContext(
  availableBytes: number,
  range: ContextRange,
): Generator<number, ChosenContext | undefined, number> {
  if (typeof availableBytes !== 'number' || Number.isNaN(availableBytes)) {
    throw wrongType('availableBytes', 'a number', availableBytes);
  }
  const candidates = contextCandidates(range);
  let best: ChosenContext | undefined;
  // Candidates before `low` do not fit, those from `high` on are no better than `best`.
  let low = 0;
  let high = candidates.length;
  let probe = 0;
  while (low < high) {
    const contextTokens = candidates[probe] ?? 1;
    const totalBytes = yield contextTokens;
    if (totalBytes <= availableBytes) {
      best = { contextTokens, totalBytes };
      high = probe;
    } else {
      low = probe + 1;
    }
    probe = Math.floor((low + high) / 2);
  }
  return best;
}
