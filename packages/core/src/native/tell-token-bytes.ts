import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import type { NativeSequence } from './native-sequence.js';

/** How long the thread may be held up at a time, in milliseconds. */
const longestTurnMs = 1;

/** A tokenizer belongs to one model, which is told once. */
const told = new WeakMap<Tokenizer, Promise<void>>();

/**
 * Tells a model, through one of its sequences, what its tokens stand for; once, whoever asks first. Goes
 * through the vocabulary a little at a time.
 */
export function tellTokenBytes(sequence: NativeSequence, tokenizer: Tokenizer): Promise<void> {
  let telling = told.get(tokenizer);
  if (telling === undefined) {
    telling = tell(sequence, tokenizer);
    told.set(tokenizer, telling);
    // Who asks next may find the sequence open that was closed meanwhile.
    telling.catch(() => told.delete(tokenizer));
  }
  return telling;
}

async function tell(sequence: NativeSequence, tokenizer: Tokenizer): Promise<void> {
  const { vocabularySize, endTokens } = tokenizer;
  const ends = new Uint32Array(vocabularySize);
  let bytes = new Uint8Array(8 * vocabularySize);
  let length = 0;
  let turnEndMs = performance.now() + longestTurnMs;
  for (let token: Token = 0; token < vocabularySize; token++) {
    if (performance.now() > turnEndMs) {
      await new Promise((resolve) => setTimeout(resolve));
      turnEndMs = performance.now() + longestTurnMs;
    }
    const own = endTokens.has(token) ? nothing : tokenizer.tokenBytes(token);
    if (length + own.length > bytes.length) {
      const larger = new Uint8Array(2 * (length + own.length));
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(own, length);
    length += own.length;
    ends[token] = length;
  }
  sequence.setTokenBytes(bytes.subarray(0, length), ends);
}

const nothing = new Uint8Array(0);
