import type { CompileProgress } from '@mobillm/core';

/** How often the last progress is told again while the library works at a stretch. */
const intervalMs = 500;

/** Tells progress: each time that it changes, and at least twice a second. */
export class Heartbeat {
  readonly #tell: (progress: CompileProgress) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: CompileProgress;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param tell a function that throws stops the compilation by `onFailure`
   * @param first what is told at once
   */
  constructor(
    tell: ((progress: CompileProgress) => void) | undefined,
    first: CompileProgress,
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
    this.#last = first;
    this.#tell(first);
    this.#timer = setInterval(() => {
      this.#tell(this.#last);
    }, intervalMs);
  }

  /** Tells what is being done now. A share below the last one is raised to it. */
  report(step: string, share: number): void {
    this.#last = { step, share: Math.min(1, Math.max(this.#last.share, share)) };
    this.#tell(this.#last);
  }

  /** What the function threw, if it did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Ends it. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
