import type { Token } from '../tokenizer/tokenizer.js';
import type { CachedSequence } from './cached-sequence.js';

/** Tokens beyond what is cached that make it worth waiting until another run has computed them. */
const leastTokens = 32;

/** A prompt that the run on a sequence has been given room for, and computes or imports. */
export interface Undertaking {
  readonly tokens: readonly Token[];
  /** Sha256 of the saved cache that they are imported from, if they are. */
  readonly imports: string | undefined;
  /** Its place in the order in which runs came. */
  readonly number: number;
}

/** A run that could have the beginning of its prompt from another one. */
export interface Waiter extends Undertaking {
  readonly sequence: CachedSequence;
  /** Whether one that came later was waited for, and has given up. */
  letDown: boolean;
}

/** The beginning of a prompt that another run computes, or imports, now. */
export class ComingBeginning {
  /** Whose run it is. */
  readonly sequence: CachedSequence;
  /** How long it is. */
  readonly tokenCount: number;
  readonly #undertaking: Undertaking;

  private constructor(sequence: CachedSequence, undertaking: Undertaking, tokenCount: number) {
    this.sequence = sequence;
    this.#undertaking = undertaking;
    this.tokenCount = tokenCount;
  }

  /**
   * The longest beginning of a prompt that others will soon have cached and lend; `undefined` where none
   * has much more than the tokens that there are already.
   *
   * Only those are waited for that have their room: they wait for nobody. And once one that came later
   * has given up, only those that came earlier: so nobody is passed for ever, however many come and fail.
   */
  static find(
    { sequence, tokens, imports, number, letDown }: Waiter,
    others: readonly CachedSequence[],
    available: number,
    patienceMs: number,
  ): ComingBeginning | undefined {
    let best: ComingBeginning | undefined;
    let most = available + leastTokens - 1;
    for (const other of others) {
      const { undertakes } = other;
      if (undertakes?.imports !== imports || other.adapters.key !== sequence.adapters.key) continue;
      if (!undertakes || (letDown && undertakes.number > number)) continue;
      // The logits after the last token are each one's own to compute.
      const limit = Math.min(tokens.length - 1, other.lentTokens(imports));
      const count = commonTokens(tokens, undertakes.tokens, limit);
      const coming = new ComingBeginning(other, undertakes, count);
      if (count <= most || !coming.isDue(patienceMs)) continue;
      most = count;
      best = coming;
    }
    return best;
  }

  /**
   * Whether it is still to come: neither there, nor given up, nor held up by a reader who has not read for
   * so many milliseconds.
   */
  isDue(patienceMs: number): boolean {
    const { state, reservedTokens, undertakes } = this.sequence;
    const works = (state === 'borrowed' || state === 'running') && reservedTokens > 0;
    if (!works || undertakes !== this.#undertaking || this.isThere) return false;
    return this.sequence.patienceLeft(patienceMs) > 0;
  }

  /** Whether all of it is cached. */
  get isThere(): boolean {
    return this.sequence.knownTokens >= this.tokenCount;
  }

  /** Whether its run came later than another one. */
  isLaterThan({ number }: Undertaking): boolean {
    return this.#undertaking.number > number;
  }
}

/** How many tokens two prompts begin with in common, up to a limit. */
export function commonTokens(
  one: readonly Token[],
  other: readonly Token[],
  limit: number,
): number {
  const end = Math.min(limit, one.length, other.length);
  let count = 0;
  while (count < end && one[count] === other[count]) count++;
  return count;
}
