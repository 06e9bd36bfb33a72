import { platform } from '#platform';
import * as check from '../errors/check-options.js';
import type { Platform } from '../platform/platform.js';

/** Time that the processor has spent since the start, in the kernel's ticks, all CPUs together. */
export interface CpuTimes {
  /** Idle, waiting for a disk included: a thread could have run. */
  readonly idleTicks: number;
  /** All. */
  readonly totalTicks: number;
}

/**
 * Reads the first line of `/proc/stat`. Guest time is part of user time there, so it is not added
 * again. `undefined` where the line is missing (Android hides the file from applications).
 */
export function parseProcStat(text: string): CpuTimes | undefined {
  const match = /^cpu\s+([\d ]+)$/m.exec(text);
  if (match === null) return undefined;
  const ticks = (match[1] ?? '').trim().split(/\s+/).slice(0, 8).map(Number);
  const [, , , idle = 0, ioWait = 0] = ticks;
  return {
    idleTicks: idle + ioWait,
    totalTicks: ticks.reduce((sum, value) => sum + value, 0),
  };
}

/** The share of time between two readings that was idle, 0 to 1; `undefined` when no time passed. */
export function idleShareBetween(before: CpuTimes, after: CpuTimes): number | undefined {
  const totalTicks = after.totalTicks - before.totalTicks;
  if (totalTicks <= 0) return undefined;
  // The kernel's idle counter can step back a little.
  return Math.min(1, Math.max(0, (after.idleTicks - before.idleTicks) / totalTicks));
}

/** Options of {@link sampleCpuIdle}. */
export interface SampleCpuIdleOptions {
  /** Time between the two readings in milliseconds, 20 to 10000; ticks are 10 ms. Default 100. */
  readonly intervalMs?: number;
  /** Stops the wait; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const checkOptions = check.optionsObject({
  intervalMs: check.integer({ min: 20, max: 10_000 }),
  signal: check.abortSignal,
});

/**
 * Measures the share of the machine's processor time that is idle now, 0 to 1, over all its CPUs.
 * `undefined` where it cannot be measured: off Linux, and in applications on Android.
 */
export function sampleCpuIdle(options?: SampleCpuIdleOptions): Promise<number | undefined> {
  const { intervalMs, signal } = checkOptions(options, '');
  return measureCpuIdle(platform, intervalMs ?? 100, signal);
}

/** {@link sampleCpuIdle} on a given platform. */
export async function measureCpuIdle(
  on: Platform,
  intervalMs: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  signal?.throwIfAborted();
  const before = await readTimes(on);
  if (before === undefined) return undefined;
  await wait(intervalMs, signal);
  const after = await readTimes(on);
  return after && idleShareBetween(before, after);
}

async function readTimes(on: Platform): Promise<CpuTimes | undefined> {
  const text = await on.readTextFile('/proc/stat');
  return text === undefined ? undefined : parseProcStat(text);
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    // It may have been aborted while the first reading was taken.
    if (signal?.aborted) onAbort();
  });
}
