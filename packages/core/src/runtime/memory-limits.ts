import type { Device, MemoryEstimate } from '../engine/device.js';
import { probeHardware } from '../hardware/probe-hardware.js';
import { memoryBudget } from '../planner/memory-budget.js';

/** Memory that a model may take, by where it lies. */
export interface MemoryLimits {
  /** This machine's, in bytes; `undefined` where the system does not tell. */
  readonly machineBytes: number | undefined;
  /** Devices beside the CPU that tell their own. */
  readonly devices: readonly (Pick<Device, 'id' | 'ownMemory'> & { readonly freeBytes: number })[];
}

/** What is needed and what there is in one place. */
export interface MemoryPlace {
  /** The device, where it is not this machine's memory. */
  readonly device?: string;
  readonly neededBytes: number;
  readonly availableBytes: number;
}

/**
 * What a model may take now: of the machine what is available within all limits, less a reserve; of a
 * device what is free there, since how much of that stays free is for its engine to say.
 */
export async function memoryLimits(devices: readonly Device[]): Promise<MemoryLimits> {
  return {
    machineBytes: memoryBudget(await probeHardware()).budgetBytes,
    devices: devices.flatMap(({ id, kind, ownMemory, memoryFreeBytes }) =>
      kind === 'cpu' || memoryFreeBytes === undefined
        ? []
        : [{ id, ...(ownMemory && { ownMemory }), freeBytes: memoryFreeBytes }],
    ),
  };
}

/** All of it in bytes, infinite where it is not known. */
export function totalLimit({ machineBytes = Infinity, devices }: MemoryLimits): number {
  return devices.reduce(
    (sum, { ownMemory, freeBytes }) => sum + (ownMemory ? freeBytes : 0),
    machineBytes,
  );
}

/**
 * The place where least is left of what there is, or most is missing. What lies on a device counts as
 * the machine's as well, unless the device has memory of its own.
 */
export function tightestPlace(
  { items, totalBytes }: MemoryEstimate,
  { machineBytes = Infinity, devices }: MemoryLimits,
): MemoryPlace {
  let apart = 0;
  let tightest: MemoryPlace | undefined;
  for (const { id, ownMemory, freeBytes } of devices) {
    const neededBytes = items.reduce((sum, { device, bytes }) => {
      return device === id ? sum + bytes : sum;
    }, 0);
    if (ownMemory) apart += neededBytes;
    if (neededBytes === 0) continue;
    const place = { device: id, neededBytes, availableBytes: freeBytes };
    if (!tightest || excess(place) > excess(tightest)) tightest = place;
  }
  const machine = { neededBytes: totalBytes - apart, availableBytes: machineBytes };
  return !tightest || excess(machine) > excess(tightest) ? machine : tightest;
}

/** Bytes that are missing in a place; below zero, those that are left. */
export function excess({ neededBytes, availableBytes }: MemoryPlace): number {
  return neededBytes - availableBytes;
}
