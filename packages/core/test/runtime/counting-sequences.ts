import type { EngineCapabilities } from '../../src/engine/capabilities.js';
import type { GenerateSpec, ModelDriver, SequenceDriver } from '../../src/engine/driver.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import type { CachedSequence } from '../../src/runtime/cached-sequence.js';
import { SequencePool } from '../../src/runtime/sequence-pool.js';

const contextTokens = 100;

/**
 * A sequence that only counts, by steps, and may tell when it is cut, and which copies it makes.
 */
export function counting(
  onTruncate: () => void = () => undefined,
  copies: (sourceTokens: number, tokens: number) => boolean | Promise<boolean> = () => true,
  stepTokens = Infinity,
): SequenceDriver {
  let tokenCount = 0;
  let closed = false;
  return {
    get tokenCount() {
      return tokenCount;
    },
    async *generate(tokens) {
      for (let prefilledTokens = 0; prefilledTokens < tokens.length;) {
        const step = Math.min(stepTokens, tokens.length - prefilledTokens);
        tokenCount += step;
        prefilledTokens += step;
        yield { tokens: [], prefilledTokens, prefillMs: 0, decodeMs: 0 };
      }
      const { length: prefilledTokens } = tokens;
      yield { tokens: [], prefilledTokens, prefillMs: 0, decodeMs: 0, finish: 'max-tokens' };
    },
    truncate(count) {
      if (closed) return Promise.reject(new MobillmError('CLOSED', 'It was closed.'));
      onTruncate();
      tokenCount = count;
      return Promise.resolve(count);
    },
    async copyFrom(source, count) {
      if (source.tokenCount < count || !(await copies(source.tokenCount, count))) return false;
      tokenCount = count;
      return true;
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

/** A pool over a model of which only this is asked. */
export function poolOf(
  createSequence: () => Promise<SequenceDriver>,
  limit: number,
  capabilities: Partial<
    Pick<EngineCapabilities, 'copySequence' | 'removeTokens' | 'truncate'>
  > = {},
  patienceMs?: number,
): SequencePool {
  const model = { contextTokens, kvPoolTokens: contextTokens, createSequence };
  const declared = {
    ...({ copySequence: false, removeTokens: false, truncate: 'exact' } as const),
    ...capabilities,
  };
  return new SequencePool(model as unknown as ModelDriver, limit, declared, patienceMs);
}

/** The first so many natural numbers. */
export const numbers = (length: number) => Array.from({ length }, (_, token) => token);

/** Computes tokens, to the end. */
export async function fill(
  sequence: CachedSequence,
  tokens: number | readonly number[],
): Promise<void> {
  const { signal } = new AbortController();
  const added = typeof tokens === 'number' ? numbers(tokens) : tokens;
  const run = sequence.generate(added, {} as GenerateSpec, signal);
  for await (const _ of run);
}
