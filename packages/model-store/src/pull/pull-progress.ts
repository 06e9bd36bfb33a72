import type { ByteProgress } from '@mobillm/core';
import type { ProgressReporter } from '../progress.js';

/** The rate is that of the last seconds. */
const windowMs = 5000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** The progress of all files of a model in one number, with its rate. */
export class PullProgress {
  private readonly files = new Map<string, { done: number; total: number | undefined }>();
  private readonly samples: Sample[] = [];

  constructor(
    /** What it tells; also of what comes after the download. */
    readonly reporter: ProgressReporter,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A file will be fetched. */
  expect(fileName: string, totalBytes: number | undefined): void {
    this.files.set(fileName, { done: 0, total: totalBytes });
  }

  /** So much of a file is there. */
  advance(fileName: string, doneBytes: number, totalBytes: number | undefined): void {
    this.files.set(fileName, { done: doneBytes, total: totalBytes });
    // Seldom, as all files are summed up for it.
    if (this.reporter.isDue) this.reporter.advance(this.current());
  }

  /** Measures the rate anew: a pause is not part of it. */
  restartRate(): void {
    this.samples.length = 0;
  }

  /** All is done. */
  finish(): void {
    this.reporter.finish(this.current());
  }

  private current(): ByteProgress {
    let doneBytes = 0;
    let totalBytes: number | undefined = 0;
    for (const { done, total } of this.files.values()) {
      doneBytes += done;
      totalBytes = total === undefined || totalBytes === undefined ? undefined : totalBytes + total;
    }
    const bytesPerSecond = this.rate(doneBytes);
    return {
      phase: 'downloading',
      doneBytes,
      totalBytes,
      ...(bytesPerSecond !== undefined && { bytesPerSecond }),
      ...(bytesPerSecond && totalBytes !== undefined
        ? { secondsLeft: (totalBytes - doneBytes) / bytesPerSecond }
        : {}),
    };
  }

  private rate(bytes: number): number | undefined {
    const atMs = this.now();
    this.samples.push({ atMs, bytes });
    while (this.samples.length > 2 && (this.samples[1]?.atMs ?? 0) < atMs - windowMs) {
      this.samples.shift();
    }
    const first = this.samples[0];
    if (first === undefined || atMs - first.atMs < 200) return undefined;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (atMs - first.atMs));
  }
}
