import type { ByteProgress } from '@mobillm/core';
import { showBytes, showSeconds } from './values.js';

/** A stream that may be a terminal. */
export type TextStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** Shows how far a job is. */
export interface ProgressView {
  show(progress: ByteProgress): void;
  /** Takes the bar away before anything else is written. */
  clear(): void;
}

const barCells = 24;

/**
 * A bar that changes on a terminal. Elsewhere a line for each tenth, so that a log tells how far it got and
 * is not filled.
 */
export function progressView(log: TextStream): ProgressView {
  let last = '';
  return {
    show(progress) {
      if (log.isTTY === true) {
        last = fit(barOf(progress), log.columns ?? 80);
        log.write(`\r\u001B[K${last}`);
        return;
      }
      const { phase, doneBytes, totalBytes } = progress;
      const tenths = totalBytes ? Math.floor((10 * doneBytes) / totalBytes) : undefined;
      const mark = `${phase} ${tenths ?? ''}`;
      if (mark === last || tenths === 0) return;
      last = mark;
      log.write(`${lineOf(progress)}\n`);
    },
    clear() {
      if (last !== '' && log.isTTY === true) log.write('\r\u001B[K');
      last = '';
    },
  };
}

function barOf(progress: ByteProgress): string {
  const { doneBytes, totalBytes } = progress;
  if (!totalBytes) return lineOf(progress);
  const full = Math.min(barCells, Math.floor((barCells * doneBytes) / totalBytes));
  return `[${'#'.repeat(full)}${' '.repeat(barCells - full)}] ${lineOf(progress)}`;
}

function lineOf(progress: ByteProgress): string {
  const { phase, doneBytes, totalBytes, bytesPerSecond, secondsLeft } = progress;
  const parts: string[] = [phase];
  if (totalBytes) parts.push(`${Math.floor((100 * doneBytes) / totalBytes)} %`);
  parts.push(
    totalBytes === undefined
      ? showBytes(doneBytes)
      : `${showBytes(doneBytes)} of ${showBytes(totalBytes)}`,
  );
  if (bytesPerSecond !== undefined) parts.push(`${showBytes(bytesPerSecond)}/s`);
  if (secondsLeft !== undefined && doneBytes < (totalBytes ?? 0)) {
    parts.push(`${showSeconds(secondsLeft)} left`);
  }
  return parts.join('  ');
}

/** A line that is as long as the terminal would begin a new one. */
function fit(line: string, columns: number): string {
  return line.slice(0, Math.max(0, columns - 1));
}
