import type { CompileProgress } from '@mobillm/core';

/** How often a caller is told at least. */
const intervalMs = 500;

/** One part of the work and how much of the whole it is. */
export interface ProgressPart {
  readonly weight: number;
  /** Share of the part that is done, from 0 to 1. */
  share: number;
}

/** Tells a caller what is being done, at once when it changes and otherwise twice a second. */
export class ProgressReport {
  readonly #tell: (progress: CompileProgress) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #parts: ProgressPart[] = [];
  #step = 'reading the model';
  #told = 0;
  #failure: { readonly error: unknown } | undefined;

  readonly #refreshers = new Set<() => void>();

  /**
   * Starts telling.
   *
   * @param tell once it throws, it is not called again, and `onFailure` is
   */
  constructor(tell: ((progress: CompileProgress) => void) | undefined, onFailure: () => void) {
    this.#tell = (progress) => {
      if (this.#failure !== undefined) return;
      try {
        tell?.(progress);
      } catch (error) {
        this.#failure = { error };
        onFailure();
      }
    };
    this.#timer = setInterval(() => this.#report(), intervalMs);
    this.#report();
  }

  /** Adds a part; all weights together are 1. */
  part(weight: number): ProgressPart {
    const part = { weight, share: 0 };
    this.#parts.push(part);
    return part;
  }

  /** Has `refresh` called before each time that the caller is told; returns what ends that. */
  before(refresh: () => void): () => void {
    this.#refreshers.add(refresh);
    return () => void this.#refreshers.delete(refresh);
  }

  /** Says what is being done now. */
  step(step: string): void {
    this.#step = step;
    this.#report();
  }

  /** What the caller's function threw, if it did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** To be called at the end, however it comes. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    for (const refresh of this.#refreshers) refresh();
    const share = this.#parts.reduce((sum, part) => sum + part.weight * part.share, 0);
    this.#told = Math.min(1, Math.max(this.#told, share));
    this.#tell({ step: this.#step, share: this.#told });
  }
}
