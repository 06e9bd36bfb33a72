import type { ResolvedSampling } from '../engine/sampling.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeFault } from './fake-faults.js';

/** A token that may come next, with its logit. */
export interface FakeCandidate {
  /** Its number. */
  readonly token: Token;
  /** Its logit, before bias and penalties. */
  readonly logit: number;
}

/** The candidates after bias and penalties, best first, with their probabilities. */
export function rank(
  candidates: readonly FakeCandidate[],
  sampling: ResolvedSampling,
  cache: readonly Token[],
  fault: FakeFault | undefined,
): readonly { readonly token: Token; readonly logit: number; readonly probability: number }[] {
  const off = (feature: FakeFault) => fault === feature;
  const seen = sampling.penaltyLastTokens === 0 ? [] : cache.slice(-sampling.penaltyLastTokens);
  const logits = candidates.map(({ token, logit: raw }) => {
    let logit = raw;
    if (!off('ignores-logit-bias')) {
      for (const item of sampling.logitBias) if (item.token === token) logit += item.bias;
    }
    const count = seen.filter((other) => other === token).length;
    if (count === 0) return { token, logit };
    const { repeatPenalty, frequencyPenalty, presencePenalty } = sampling;
    if (!off('ignores-repeat-penalty')) {
      logit = logit > 0 ? logit / repeatPenalty : logit * repeatPenalty;
    }
    if (!off('ignores-frequency-penalty')) logit -= frequencyPenalty * count;
    if (!off('ignores-presence-penalty')) logit -= presencePenalty;
    return { token, logit };
  });
  logits.sort((a, b) => b.logit - a.logit);
  const best = logits[0]?.logit ?? 0;
  const total = logits.reduce((sum, { logit }) => sum + Math.exp(logit - best), 0);
  return logits.map((item) => ({ ...item, probability: Math.exp(item.logit - best) / total }));
}

/** Chooses a token as real engines do, in the order of `SamplingOptions`. */
export function choose(
  candidates: readonly FakeCandidate[],
  sampling: ResolvedSampling,
  cache: readonly Token[],
  fault: FakeFault | undefined,
): Token {
  let ranked = rank(candidates, sampling, cache, fault);
  if (sampling.temperature === 0) return ranked[0]?.token ?? 0;
  if (sampling.topK > 0 && fault !== 'ignores-top-k') ranked = ranked.slice(0, sampling.topK);
  if (fault !== 'ignores-top-p') {
    let reached = 0;
    ranked = ranked.filter(({ probability }) => {
      const keeps = reached < sampling.topP;
      reached += probability;
      return keeps;
    });
  }
  const least = (ranked[0]?.probability ?? 0) * sampling.minP;
  if (fault !== 'ignores-min-p') ranked = ranked.filter((item) => item.probability >= least);
  const weights = ranked.map(({ logit }) => Math.exp(logit / sampling.temperature));
  const seed = fault === 'ignores-seed' ? Math.floor(Math.random() * 2 ** 32) : sampling.seed;
  let draw = random(seed, cache.length) * weights.reduce((sum, weight) => sum + weight, 0);
  const drawn = weights.findIndex((weight) => (draw -= weight) < 0);
  return ranked[Math.max(0, drawn)]?.token ?? 0;
}

/** A number from 0 to 1 that depends on the seed and the position alone. */
function random(seed: number, position: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(position + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}
