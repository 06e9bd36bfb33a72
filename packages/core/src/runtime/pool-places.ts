/** Places of a pool that one sequence filled, in order; copies of that sequence hold the first of them. */
class Stretch {
  /** Whether another sequence holds places of it, too. */
  shared = false;
}

/** Places that one sequence lets another one have, too. */
export type LentPlaces = readonly { readonly stretch: Stretch; readonly tokens: number }[];

/**
 * Where in a shared pool the tokens of a sequence lie: first in places that other sequences filled,
 * then in its own. A copy takes no room, so tokens cannot simply be added up.
 */
export class PoolPlaces {
  /** Taken over from others, or kept by others when this sequence was cut. */
  #fixed: LentPlaces = [];
  #own = new Stretch();

  /** Cuts to the first tokens. */
  cut(tokenCount: number): void {
    const fixed = this.#fixedTokens;
    if (tokenCount >= fixed && !this.#own.shared) return;
    // New tokens go to new places: others still hold those that were cut off.
    this.#fixed = this.#first(tokenCount);
    this.#own = new Stretch();
  }

  /** The first places, for a copy to take. */
  lend(tokenCount: number): LentPlaces {
    const lent = this.#first(tokenCount);
    if (lent.at(-1)?.stretch === this.#own) this.#own.shared = true;
    return lent;
  }

  /** Takes what another sequence lent instead of all that this one had. */
  take(lent: LentPlaces): void {
    this.#fixed = lent;
    this.#own = new Stretch();
  }

  /** The sequence's first places, when it holds that many tokens or more. */
  #first(tokenCount: number): LentPlaces {
    const first: { readonly stretch: Stretch; readonly tokens: number }[] = [];
    let left = tokenCount;
    for (const { stretch, tokens } of this.#fixed) {
      if (left > 0) first.push({ stretch, tokens: Math.min(tokens, left) });
      left -= tokens;
    }
    if (left > 0) first.push({ stretch: this.#own, tokens: left });
    return first;
  }

  get #fixedTokens(): number {
    return this.#fixed.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** What a copy's places would be. */
  static following(source: PoolPlaces, tokenCount: number): PoolPlaces {
    const copy = new PoolPlaces();
    copy.#fixed = source.#first(tokenCount);
    return copy;
  }

  /**
   * Places that some sequences take together.
   *
   * @param holders each with the tokens that it holds or was promised.
   */
  static count(holders: readonly (readonly [PoolPlaces, number])[]): number {
    const longest = new Map<Stretch, number>();
    for (const [places, tokenCount] of holders) {
      for (const { stretch, tokens } of places.#first(tokenCount)) {
        longest.set(stretch, Math.max(longest.get(stretch) ?? 0, tokens));
      }
    }
    return [...longest.values()].reduce((sum, tokens) => sum + tokens, 0);
  }
}
