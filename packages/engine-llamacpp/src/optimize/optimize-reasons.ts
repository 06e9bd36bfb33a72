import type { OptimizeCandidate } from './optimize-report.js';

const percent = (share: number) => `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(1)} %`;

/** How much higher a candidate's perplexity is than the source's, with the error of that. */
export function showIncrease({
  perplexityIncrease,
  perplexityIncreaseError,
}: OptimizeCandidate['quality']): string {
  return `${percent(perplexityIncrease)} ± ${(perplexityIncreaseError * 100).toFixed(1)} %`;
}

/** Why a candidate is refused that is too far from the source. */
export function tooFar({ quality, filePerplexity }: OptimizeCandidate, most: number): string {
  const own = filePerplexity ?? quality.perplexity;
  const source = quality.perplexity / (1 + quality.perplexityIncrease);
  return `Its perplexity is ${own.toFixed(2)}, the source's ${source.toFixed(2)} (${percent(own / source - 1)}), and ${percent(most)} is the most that is allowed.`;
}

/** Why the source was kept. */
export function keptReason(candidates: readonly OptimizeCandidate[]): string {
  if (candidates.length === 0) {
    return 'The source was kept: it is within the budget already, or no format that was asked for makes it smaller.';
  }
  const reasons = candidates.map(({ name, rejected = '' }) => `${name}: ${rejected}`);
  return `The source was kept, as nothing pays. ${reasons.join(' ')}`;
}

/** Why a file was written. */
export function writtenReason({ name, quality, speedup = NaN, ...row }: OptimizeCandidate): string {
  return `${name}, of ${row.bitsPerWeight.toFixed(2)} bits a weight, is ${speedup.toFixed(2)} times as fast as the source in CPU time; perplexity ${showIncrease(quality)}, divergence ${quality.divergence.toFixed(4)} nats a token.`;
}
