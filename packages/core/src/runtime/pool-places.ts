/**
 * Places that one sequence lets another one have, too: by stretches that were filled in a row, of each
 * the first ones.
 */
export type LentPlaces = readonly { readonly stretch: symbol; readonly tokens: number }[];

const newStretch = () => Symbol('stretch');

/**
 * Where in a shared pool the tokens of a sequence lie: first in places that others hold, or held, as
 * well, then in its own. A copy takes no room, so tokens cannot simply be added up.
 */
export class PoolPlaces {
  #common: LentPlaces = [];
  #own = newStretch();

  /** Tokens at the beginning that may lie in places of others; those behind them are its own. */
  get commonTokens(): number {
    return this.#common.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** Cuts to the first tokens. */
  cut(tokenCount: number): void {
    if (tokenCount >= this.commonTokens) return;
    // New tokens go to new places: others still hold those that were cut off.
    this.take(this.#first(tokenCount));
  }

  /** The first places, for a copy to take. What lies behind them stays its own. */
  lend(tokenCount: number): LentPlaces {
    const lent = this.#first(tokenCount);
    if (tokenCount > this.commonTokens) this.take(lent);
    return lent;
  }

  /** Takes what another sequence lent instead of all that this one had. */
  take(lent: LentPlaces): void {
    this.#common = lent;
    this.#own = newStretch();
  }

  /** The sequence's first places, when it holds that many tokens or more. */
  #first(tokenCount: number): LentPlaces {
    const first: { readonly stretch: symbol; readonly tokens: number }[] = [];
    let left = tokenCount;
    for (const { stretch, tokens } of this.#common) {
      if (left > 0) first.push({ stretch, tokens: Math.min(tokens, left) });
      left -= tokens;
    }
    if (left > 0) first.push({ stretch: this.#own, tokens: left });
    return first;
  }

  /** What a copy's places would be. */
  static following(source: PoolPlaces, tokenCount: number): PoolPlaces {
    const copy = new PoolPlaces();
    copy.take(source.#first(tokenCount));
    return copy;
  }

  /**
   * Places that some sequences take together.
   *
   * @param holders each with the tokens that it holds or was promised.
   */
  static count(holders: readonly (readonly [PoolPlaces, number])[]): number {
    const longest = new Map<symbol, number>();
    for (const [places, tokenCount] of holders) {
      for (const { stretch, tokens } of places.#first(tokenCount)) {
        longest.set(stretch, Math.max(longest.get(stretch) ?? 0, tokens));
      }
    }
    return [...longest.values()].reduce((sum, tokens) => sum + tokens, 0);
  }
}
