import type { CompileProgress } from './model-compiler.js';

/** How often a caller is told at least. */
const intervalMs = 500;

/** One part of a compilation and how much of the whole it is. */
export interface CompilePart {
  /** Share of the whole; all parts together are 1. */
  readonly weight: number;
  /** Share of the part that is done, from 0 to 1. */
  share: number;
}

/** Tells a caller how far a compilation is, at once when it changes and otherwise twice a second. */
export class CompileReport {
  readonly #tell: (progress: CompileProgress) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #parts: CompilePart[] = [];
  readonly #refreshers = new Set<() => void>();
  #step: string;
  #told = 0;
  #failure: { readonly error: unknown } | undefined;

  /**
   * Starts telling.
   *
   * @param tell once it throws, it is not called again, and `onFailure` is
   * @param step what is done first
   */
  constructor(
    tell: ((progress: CompileProgress) => void) | undefined,
    step: string,
    onFailure: () => void,
  ) {
    this.#tell = (progress) => {
      if (this.#failure !== undefined) return;
      try {
        tell?.(progress);
      } catch (error) {
        this.#failure = { error };
        onFailure();
      }
    };
    this.#step = step;
    this.#timer = setInterval(() => this.#report(), intervalMs);
    this.#report();
  }

  /** Says what is being done now. */
  step(step: string): void {
    this.#step = step;
    this.#report();
  }

  /** Says what is being done now and how far the whole is; a share below the last one is raised to it. */
  reach(step: string, share: number): void {
    this.#told = Math.min(1, Math.max(this.#told, share));
    this.step(step);
  }

  /** Adds a part, for compilations that do several things at once. */
  part(weight: number): CompilePart {
    const part = { weight, share: 0 };
    this.#parts.push(part);
    return part;
  }

  /** Has `refresh` called before each time that the caller is told; returns what ends that. */
  before(refresh: () => void): () => void {
    this.#refreshers.add(refresh);
    return () => void this.#refreshers.delete(refresh);
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
