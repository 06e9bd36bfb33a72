/**
 * Ways in which a fake engine can be broken on purpose, one at a time. Each breaks one promise of the
 * contract, and the suites are themselves tested by having to notice every one.
 */
export const fakeFaults = [
  'tokenizer-parses-user-text',
  'tokenizer-loses-bytes',
  'tokenizer-takes-any-token',
  'tokenizer-takes-lone-surrogates',
  'tokenizer-works-after-close',
  'ignores-abort',
  'aborts-with-own-error',
  'stale-count-after-abort',
  'truncate-does-nothing',
  'truncate-keeps-meaning',
  'runs-without-credit',
  'never-says-finish',
  'exceeds-max-tokens',
  'goes-past-end-token',
  'caches-last-token',
  'ignores-seed',
  'sequences-share-cache',
  'overfills-context',
  'close-does-not-stop',
  'works-after-close',
  'unlimited-sequences',
  'progress-falls',
  'opens-missing-file',
  'ignores-logit-bias',
  'keeps-running-after-break',
  'fork-shares-cache',
  'placement-loses-layers',
  'logprobs-misaligned',
] as const;

/** One of {@link fakeFaults}. */
export type FakeFault = (typeof fakeFaults)[number];
