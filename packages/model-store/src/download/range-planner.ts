import type { PieceMap } from './piece-map.js';

/** Pieces that one connection is fetching: from `next` up to `end`, which another may take over. */
export interface Span {
  /** Its beginning. What has come since may be on its way to the disk still, and is not missing. */
  first: number;
  next: number;
  end: number;
}

/** A span is not worth a request of its own when it is split further than this, in pieces. */
const smallestSplit = 16;

/** Hands out what is missing of a file to connections, from the beginning on, each piece to one. */
export class RangePlanner {
  private readonly active = new Set<Span>();

  constructor(private readonly pieces: PieceMap) {}

  /**
   * The next missing pieces, `most` at most. Where all are being fetched, the far half of the longest
   * span, so that no connection is idle while another one has much to do; `undefined` when there is
   * nothing worth a request.
   */
  take(most: number): Span | undefined {
    const span = this.nextFree(most) ?? this.split();
    if (span !== undefined) this.active.add(span);
    return span;
  }

  /** A connection has ended with a span, whether or not it came to its end. */
  release(span: Span): void {
    this.active.delete(span);
  }

  private nextFree(most: number): Span | undefined {
    let from = 0;
    for (;;) {
      const next = this.pieces.nextMissing(from);
      if (next >= this.pieces.count) return undefined;
      const covering = [...this.active].find((span) => next >= span.first && next < span.end);
      if (covering !== undefined) {
        from = covering.end;
        continue;
      }
      const starts = [...this.active].map(({ first }) => first).filter((start) => start > next);
      const end = Math.min(next + most, this.pieces.nextPresent(next), ...starts);
      return { first: next, next, end };
    }
  }

  private split(): Span | undefined {
    let longest: Span | undefined;
    for (const span of this.active) {
      if (longest === undefined || span.end - span.next > longest.end - longest.next)
        longest = span;
    }
    if (longest === undefined || longest.end - longest.next < 2 * smallestSplit) return undefined;
    const middle = Math.ceil((longest.next + longest.end) / 2);
    const span = { first: middle, next: middle, end: longest.end };
    longest.end = middle;
    return span;
  }
}
