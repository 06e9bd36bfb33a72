import type { HardwareProfile } from '../hardware/hardware-profile.js';

/** How many threads to decode with, and why. */
export interface ChosenThreads {
  /** At least 1. */
  readonly threads: number;
  /** One sentence a limit that counted. */
  readonly reasons: readonly string[];
}

/**
 * One thread for each fast core that this process may use, and no more than are free: a token is as
 * slow as its slowest thread, and threads beyond the free cores make it many times slower. Limits:
 * prime and performance cores, affinity, the CPU quota of control groups, and the idle share where
 * it was measured. SMT siblings share one core's arithmetic and count once.
 */
export function chooseThreads(hardware: HardwareProfile): ChosenThreads {
  const { cpu } = hardware;
  const allowed = cpu.allowedCpus && new Set(cpu.allowedCpus);
  const coresOf = (fastOnly: boolean) =>
    cpu.clusters
      .filter(({ coreClass }) => !fastOnly || coreClass !== 'efficiency')
      .flatMap(({ cpusByCore }) => cpusByCore)
      .filter((cpus) => allowed === undefined || cpus.some((one) => allowed.has(one))).length;

  const reasons: string[] = [];
  const fast = coresOf(true);
  // A process in the background may be confined to the small cores.
  let threads = fast || coresOf(false);
  if (cpu.clusters.length === 0) {
    threads = Math.max(1, Math.floor(cpu.logicalCpus / 2));
    reasons.push(
      `${count(threads, 'thread')}: the kinds of cores are not known, so half of the ${cpu.logicalCpus} logical CPUs are used.`,
    );
  } else if (fast === 0) {
    reasons.push(`${count(threads, 'thread')}: this process may run on efficiency cores alone.`);
  } else {
    const total = cpu.clusters.reduce((sum, { cores }) => sum + cores, 0);
    reasons.push(
      `${count(threads, 'thread')}: one for each fast core that this process may use, of ${count(total, 'core')} in all.`,
    );
  }

  if (cpu.quotaCpus !== undefined && cpu.quotaCpus < threads) {
    threads = Math.max(1, Math.floor(cpu.quotaCpus));
    reasons.push(
      `A control group grants ${round(cpu.quotaCpus)} CPUs, so ${count(threads, 'thread')}.`,
    );
  }
  if (cpu.idleShare !== undefined) {
    // Half of a CPU counts: the measure is short, and this process itself took part of it.
    const free = Math.max(1, Math.floor(cpu.idleShare * cpu.logicalCpus + 0.5));
    if (free < threads) {
      threads = free;
      reasons.push(
        `Other programs leave ${Math.round(cpu.idleShare * 100)} % of the processor free, so ${count(threads, 'thread')}.`,
      );
    }
  }
  return { threads: Math.max(1, threads), reasons };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function round(number: number): string {
  return String(Math.round(number * 100) / 100);
}
