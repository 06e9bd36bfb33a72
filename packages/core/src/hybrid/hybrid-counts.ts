/** What a hybrid engine computed and handed over, in tokens unless said otherwise. */
export interface HybridCounts {
  /** New tokens that the prefilling side computed. */
  readonly prefilledTokens: number;
  /** New tokens that the decoding side computed, being fewer than `minPrefillTokens`. */
  readonly directTokens: number;
  /** Tokens whose cache went from the prefilling to the decoding side. */
  readonly handedOverTokens: number;
  /** Tokens whose cache went back, so that the prefilling side could go on after them. */
  readonly returnedTokens: number;
  /** Tokens that the prefilling side computed again, because their cache could not be sent back. */
  readonly recomputedTokens: number;
  /** Time spent on sending caches in either direction, in milliseconds. */
  readonly handOverMs: number;
}

/** Counts that are still being counted. */
export type RunningCounts = { -readonly [K in keyof HybridCounts]: HybridCounts[K] };

/** All counts at zero. */
export const noCounts: HybridCounts = {
  prefilledTokens: 0,
  directTokens: 0,
  handedOverTokens: 0,
  returnedTokens: 0,
  recomputedTokens: 0,
  handOverMs: 0,
};
