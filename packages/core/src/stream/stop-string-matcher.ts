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
 */
export class StopStringMatcher {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops none of them empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Takes the next piece. */
  push(piece: string): StopStringStep {
    if (this.#stops.length === 0) return { text: piece };
    const text = this.#held + piece;
    const found = this.#earliest(text);
    if (found) {
      this.#held = '';
      return {
        text: text.slice(0, found.index),
        stopString: found.stop,
        rest: text.slice(found.index + found.stop.length),
      };
    }
    const heldLength = this.#longestBeginning(text);
    this.#held = text.slice(text.length - heldLength);
    return { text: text.slice(0, text.length - heldLength) };
  }

  /** Ends the text and returns what was kept back. */
  end(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /**
   * The stop string that is complete first; of two that end at one place, the longer. So it does not
   * matter in which pieces the text arrives.
   */
  #earliest(text: string): { index: number; stop: string } | undefined {
    let best: { index: number; stop: string; end: number } | undefined;
    for (const stop of this.#stops) {
      const index = text.indexOf(stop);
      if (index < 0) continue;
      const end = index + stop.length;
      const longer = best?.end === end && stop.length > best.stop.length;
      if (!best || end < best.end || longer) best = { index, stop, end };
    }
    return best;
  }

  /** Length of the longest end of `text` that is the beginning of a stop string. */
  #longestBeginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (stop.startsWith(text.slice(text.length - length))) longest = length;
      }
    }
    return longest;
  }
}
