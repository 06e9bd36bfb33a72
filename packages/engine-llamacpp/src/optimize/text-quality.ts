import type { MeasuredQuality } from './optimize-report.js';
import { meanOf } from './measure-perplexity.js';
import type { TextScorer } from './text-scorer.js';
import { scoredTokens, type TextWindow } from './text-windows.js';
import type { WeightPlan } from './weight-plan.js';

/** What a text looks like to the source, and how far from that candidates are. */
export class TextQuality {
  readonly #scorer: TextScorer;
  readonly #windows: readonly TextWindow[];
  /** Number of the first window among those that the scorer keeps. */
  readonly #firstPlace: number;
  #sourceLogProbs: Float32Array = new Float32Array();

  constructor(scorer: TextScorer, windows: readonly TextWindow[], firstPlace: number) {
    this.#scorer = scorer;
    this.#windows = windows;
    this.#firstPlace = firstPlace;
  }

  /** Tokens that are scored. */
  get tokens(): number {
    return scoredTokens(this.#windows);
  }

  /** The source's perplexity, after {@link TextQuality.keep}. */
  get sourcePerplexity(): number {
    return Math.exp(-meanOf(this.#sourceLogProbs).mean);
  }

  /** Has the source score the text, and keeps what it says. */
  async keep(onProgress: (share: number) => void): Promise<void> {
    const { logProbs } = await this.#score('keep', onProgress);
    this.#sourceLogProbs = logProbs;
  }

  /** Perplexity of the scorer's weights as they are now; keeps nothing. */
  async perplexity(onProgress: (share: number) => void): Promise<number> {
    const { logProbs } = await this.#score('none', onProgress);
    return Math.exp(-meanOf(logProbs).mean);
  }

  /** Compares the scorer's weights as they are now with the source's. */
  async compare(onProgress: (share: number) => void): Promise<MeasuredQuality> {
    const { logProbs, divergences, sameBest } = await this.#score('compare', onProgress);
    const { mean, error } = meanOf(
      logProbs.map((logProb, index) => (this.#sourceLogProbs[index] ?? 0) - logProb),
    );
    return {
      perplexity: Math.exp(-meanOf(logProbs).mean),
      perplexityIncrease: Math.expm1(mean),
      perplexityIncreaseError: Math.exp(mean) * error,
      divergence: meanOf(divergences).mean,
      sameBest: sameBest / logProbs.length,
    };
  }

  /** {@link TextQuality.compare} with a plan carried out in memory, and taken back. */
  async judge(
    plan: WeightPlan,
    weighted: boolean,
    onProgress: (share: number) => void,
  ): Promise<MeasuredQuality> {
    try {
      await this.#scorer.substitute(
        Array.from(plan, ([name, type]) => ({ name, type })),
        weighted,
      );
      return await this.compare(onProgress);
    } finally {
      // After an abort nothing more is computed with it.
      await this.#scorer.restore().catch(() => undefined);
    }
  }

  async #score(
    reference: 'none' | 'keep' | 'compare',
    onProgress: (share: number) => void,
  ): Promise<{ logProbs: Float32Array; divergences: Float32Array; sameBest: number }> {
    const logProbs = new Float32Array(this.tokens);
    const divergences = new Float32Array(this.tokens);
    let sameBest = 0;
    let done = 0;
    for (const [index, window] of this.#windows.entries()) {
      const place = this.#firstPlace + index;
      const score = await this.#scorer.score({ ...window, reference, place, learn: false });
      logProbs.set(score.logProbs, done);
      divergences.set(score.divergences, done);
      sameBest += score.sameBest;
      done += score.logProbs.length;
      onProgress(done / logProbs.length);
    }
    return { logProbs, divergences, sameBest };
  }
}
