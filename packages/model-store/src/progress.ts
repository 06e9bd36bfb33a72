import type { ByteProgress } from '@mobillm/core';

/** Reports are at least this far apart, so that there are at most ten a second. */
const intervalMs = 100;

/** Passes progress on, seldom enough for a user interface, and the last report always. */
export class ProgressReporter {
  private lastMs = -Infinity;

  constructor(
    private readonly report: ((progress: ByteProgress) => void) | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether a report would be passed on now. */
  get isDue(): boolean {
    return this.report !== undefined && this.now() - this.lastMs >= intervalMs;
  }

  /** Bytes were done; reported only if the last report is long enough ago. */
  advance(progress: ByteProgress): void {
    if (!this.isDue) return;
    this.lastMs = this.now();
    this.report?.(progress);
  }

  /** The job is done; reported in any case. */
  finish(progress: ByteProgress): void {
    this.report?.(progress);
  }
}
