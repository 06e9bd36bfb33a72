/**
 * Ways in which a fake engine can be broken on purpose, one at a time, each with the test that has to
 * notice it (a part of its title). Each breaks one promise of the contract: the suites are themselves
 * tested by having to notice every one.
 */
export const fakeFaults = {
  'tokenizer-parses-user-text': 'reads special spellings as text, unless asked',
  'tokenizer-loses-bytes': 'back, to the byte',
  'tokenizer-takes-any-token': 'as a token',
  'tokenizer-takes-lone-surrogates': 'refuses what is not a text, and half a surrogate pair',
  'tokenizer-works-after-close': 'says CLOSED after its model was closed',
  'ignores-abort': 'rejects with the very reason of an abort, prefill included',
  'aborts-with-own-error': 'rejects with the reason of an abort in the middle of decoding',
  'stale-count-after-abort': 'keeps a truthful count after an abort',
  'truncate-does-nothing': 'forget everything when cut to nothing',
  'truncate-keeps-meaning': 'go on from what is cached',
  'runs-without-credit': 'works ahead of its reader by its credit and no further',
  'never-says-finish': 'prefills every prompt token, samples maxTokens and says so',
  'exceeds-max-tokens': 'only prefills when maxTokens is 0',
  'goes-past-end-token': 'ends at an end token, reports it and does not cache it',
  'caches-last-token': 'ends at an end token, reports it and does not cache it',
  'ignores-seed': 'repeats itself with the same seed and not with another',
  'ignores-top-k': 'keeps only the best token when topK leaves no other',
  'ignores-top-p': 'keeps only the best token when topP leaves no other',
  'ignores-min-p': 'keeps only the best token when minP leaves no other',
  'ignores-repeat-penalty': 'avoids a token that was seen, with repeatPenalty',
  'ignores-frequency-penalty': 'avoids a token that was seen, with frequencyPenalty',
  'ignores-presence-penalty': 'avoids a token that was seen, with presencePenalty',
  'sequences-mix': 'run side by side without mixing',
  'overfills-context': 'stops when the context is full, and says so',
  'close-does-not-stop': 'stops a running generation, which then says CLOSED',
  'works-after-close': 'leaves nothing of a closed model to use',
  'unlimited-sequences': 'are refused with BUSY past the number that was opened',
  'progress-falls': 'reports progress that rises to 1',
  'opens-missing-file': 'says FILE_NOT_FOUND for a missing file',
  'ignores-logit-bias': 'never samples a token whose bias is -Infinity',
  'keeps-running-after-break': 'has stopped once the reader has left',
  'fork-shares-cache': 'can be forked, each going its own way',
  'placement-loses-layers': 'tells where every layer lies',
  'logprobs-misaligned': 'reports log-probabilities, one row a token, best first',
} as const;

/** One of {@link fakeFaults}. */
export type FakeFault = keyof typeof fakeFaults;
