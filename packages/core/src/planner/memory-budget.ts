import type { HardwareProfile } from '../hardware/hardware-profile.js';
import type { Device } from '../engine/device.js';
import type { MemoryBudget } from './plan.js';

/** Of what is available, this share is left to the rest of the system … */
const reserveShare = 0.1;

/** … and at least so much. */
const smallestReserveBytes = 64 * 2 ** 20;

/** Android's low-memory killer ends applications long before memory is used up. */
const androidReserveBytes = 512 * 2 ** 20;

/** Of a machine whose free memory cannot be read, so much is assumed to be available. */
const assumedShare = 0.5;

/**
 * What a model may take on this device now: the memory that is available to this process, limits of
 * control groups included, less a reserve of 10 % (at least 64 MiB, on Android 512 MiB). A GPU or NPU
 * that tells its free memory limits it further.
 */
export function memoryBudget(
  hardware: Pick<HardwareProfile, 'os' | 'memory'>,
  device?: Device,
): MemoryBudget {
  const { memory } = hardware;
  const live = memory.effectiveAvailableBytes;
  const host =
    live ??
    (memory.totalBytes === undefined ? undefined : Math.floor(memory.totalBytes * assumedShare));
  // What a CPU device says of its memory is the host's, without the control groups.
  const deviceFree = device?.kind === 'cpu' ? undefined : device?.memoryFreeBytes;
  const least = Math.min(host ?? Infinity, deviceFree ?? Infinity);
  if (least === Infinity) return { reserveBytes: 0, source: 'unknown' };

  const reserveBytes = Math.min(
    least,
    Math.max(smallestReserve(hardware.os), Math.ceil(least * reserveShare)),
  );
  return {
    budgetBytes: least - reserveBytes,
    availableBytes: least,
    reserveBytes,
    source: live === undefined && least === host ? 'share-of-total' : 'live',
    limitedBy:
      least !== host
        ? 'device'
        : memory.cgroup !== undefined && memory.cgroup.availableBytes === host
          ? 'cgroup'
          : 'machine',
  };
}

/** Memory that has to be available for a budget of so many bytes, its reserve included. */
export function availableForBudget(budgetBytes: number, os: string): number {
  return Math.max(
    budgetBytes + smallestReserve(os),
    Math.ceil(budgetBytes / (1 - reserveShare)) + 1,
  );
}

function smallestReserve(os: string): number {
  return os === 'android' ? androidReserveBytes : smallestReserveBytes;
}
