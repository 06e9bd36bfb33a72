/** A queue of this length stops the reading from the network. */
const longestBytes = 2 ** 16;

/** What a {@link BodyQueue} is given. */
export interface BodySource {
  /** The reading from the network is to go on. */
  resume(): void;
  /** Nothing more is wanted. */
  stop(): void;
  /** A part has been used and can be freed. */
  free(part: Uint8Array): void;
}

/** The body of an answer between the network, which pushes it, and the one who reads it. */
export class BodyQueue implements AsyncIterable<Uint8Array> {
  private readonly parts: Uint8Array[] = [];
  private queuedBytes = 0;
  private end: { readonly error?: unknown } | undefined;
  private wake: (() => void) | undefined;

  constructor(private readonly source: BodySource) {}

  /** Takes a part from the network; `false` asks for no more until the source is resumed. */
  push(part: Uint8Array): boolean {
    this.parts.push(part);
    this.queuedBytes += part.byteLength;
    this.wake?.();
    return this.queuedBytes < longestBytes;
  }

  /** There is no more, or no more can be had. Whoever reads gets what has come, and then the error. */
  finish(error?: unknown): void {
    this.end ??= error === undefined ? {} : { error };
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const part = this.parts.shift();
        if (part !== undefined) {
          this.queuedBytes -= part.byteLength;
          // The next one comes while this one is used.
          if (this.parts.length === 0) this.source.resume();
          yield part;
          this.source.free(part);
        } else if (this.end !== undefined) {
          if ('error' in this.end) throw this.end.error;
          return;
        } else {
          await new Promise<void>((resolve) => (this.wake = resolve));
          this.wake = undefined;
        }
      }
    } finally {
      if (this.end === undefined) this.source.stop();
    }
  }
}
