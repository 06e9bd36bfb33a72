/** What a {@link StopStringMatcher} lets through. */
export interface StopStringStep {
  /** Text that is certain not to be part of a stop string. */
  readonly text: string;
  /** The stop string that was found; the matcher then begins anew. */
  readonly stopString?: string;
  /** What came after the stop string in the same piece. */
  readonly rest?: string;
}

/**
 * Finds the first of several stop strings in a text that arrives in pieces. Text that may still
 * become a stop string is kept back until that is decided, so that no part of one ever gets out.
 *
 * Each character of the text is looked at once a stop string, however long those are (the algorithm of
 * Knuth, Morris and Pratt).
 */
export class StopStringMatcher {
  readonly #stops: readonly Progress[];
  #held = '';

  /** @param stops none of them empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.map((stop) => new Progress(stop));
  }

  /** Takes the next piece. */
  push(piece: string): StopStringStep {
    if (this.#stops.length === 0) return { text: piece };
    const text = this.#held + piece;
    for (let index = 0; index < piece.length; index++) {
      const found = this.#take(piece.charCodeAt(index));
      if (found === undefined) continue;
      const end = this.#held.length + index + 1;
      this.#forget();
      return { text: text.slice(0, end - found.length), stopString: found, rest: text.slice(end) };
    }
    const heldLength = this.#stops.reduce((longest, { length }) => Math.max(longest, length), 0);
    this.#held = text.slice(text.length - heldLength);
    return { text: text.slice(0, text.length - heldLength) };
  }

  /** Ends the text and returns what was kept back. */
  end(): string {
    const text = this.#held;
    this.#forget();
    return text;
  }

  /**
   * The stop string that is complete with this character; of several, the longest. So it does not
   * matter in which pieces the text arrives.
   */
  #take(character: number): string | undefined {
    let longest: string | undefined;
    for (const progress of this.#stops) {
      if (!progress.take(character)) continue;
      if (longest === undefined || progress.stop.length > longest.length) longest = progress.stop;
    }
    return longest;
  }

  #forget(): void {
    this.#held = '';
    for (const progress of this.#stops) progress.length = 0;
  }
}

/** How much of one stop string the end of a text is. */
class Progress {
  /** Of the stop string's beginning, the longest that the text ends with. */
  length = 0;
  /** For each beginning of the stop string, its longest own beginning that is its end as well. */
  readonly #shorter: Uint32Array;

  constructor(readonly stop: string) {
    this.#shorter = new Uint32Array(stop.length + 1);
    for (let end = 1; end < stop.length; end++) {
      this.take(stop.charCodeAt(end));
      this.#shorter[end + 1] = this.length;
    }
    this.length = 0;
  }

  /** Takes the next character; returns whether the text now ends with the stop string. */
  take(character: number): boolean {
    while (this.length > 0 && this.stop.charCodeAt(this.length) !== character) {
      this.length = this.#shorter[this.length] ?? 0;
    }
    if (this.stop.charCodeAt(this.length) === character) this.length++;
    return this.length === this.stop.length;
  }
}
