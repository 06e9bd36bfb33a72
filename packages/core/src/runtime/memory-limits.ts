import type { Device, MemoryEstimate, MemoryItem } from '../engine/device.js';
import type { MemoryBudgets } from '../engine/open-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { probeHardware } from '../hardware/probe-hardware.js';
import { memoryBudget } from '../planner/memory-budget.js';

/** Memory that a model may take, by where it lies. */
export interface MemoryLimits {
  /** All together, wherever it lies, in bytes; no such limit by default. */
  readonly totalBytes?: number;
  /** This machine's, in bytes; `undefined` where the system does not tell. */
  readonly machineBytes: number | undefined;
  /** Devices beside the CPU that tell their own. */
  readonly devices: readonly (Pick<Device, 'id' | 'ownMemory'> & { readonly freeBytes: number })[];
}

/** What is needed and what there is in one place. */
export interface MemoryPlace {
  /** The device, where it is not this machine's memory. */
  readonly device?: string;
  /** What lies there. */
  readonly items: readonly MemoryItem[];
  readonly neededBytes: number;
  readonly availableBytes: number;
}

/**
 * What a model may take now: of the machine what is available within all limits, less a reserve; of a
 * device what is free there, since how much of that stays free is for its engine to say. Budgets take the
 * place of either; a number is a limit to all together.
 *
 * @throws InvalidArgument for a budget of a device that there is not, or whose memory is the machine's.
 */
export async function memoryLimits(
  devices: readonly Device[],
  budgets: number | MemoryBudgets = {},
): Promise<MemoryLimits> {
  const given = typeof budgets === 'number' ? {} : (budgets.devices ?? {});
  for (const id of Object.keys(given)) requireDevice(id, devices);
  const own = devices.flatMap(({ id, kind, ownMemory, memoryFreeBytes }) => {
    const freeBytes = given[id] ?? memoryFreeBytes;
    if (kind === 'cpu' || freeBytes === undefined) return [];
    return [{ id, ...(ownMemory && { ownMemory }), freeBytes }];
  });
  if (typeof budgets === 'number') {
    return { totalBytes: budgets, machineBytes: undefined, devices: own };
  }
  const machineBytes = budgets.machine ?? memoryBudget(await probeHardware()).budgetBytes;
  return { machineBytes, devices: own };
}

function requireDevice(id: string, devices: readonly Device[]): void {
  const known = devices.filter(({ kind }) => kind !== 'cpu').map((device) => device.id);
  if (known.includes(id)) return;
  throw wrongValue(
    `budgetBytes.devices.${id}`,
    `is no device beside the CPU, whose memory is "budgetBytes.machine"; those are ${known.join(', ') || 'none here'}`,
  );
}

/** All of it in bytes, infinite where it is not known. */
export function totalLimit({
  totalBytes = Infinity,
  machineBytes = Infinity,
  devices,
}: MemoryLimits): number {
  const apart = devices.reduce(
    (sum, { ownMemory, freeBytes }) => sum + (ownMemory ? freeBytes : 0),
    machineBytes,
  );
  return Math.min(totalBytes, apart);
}

/**
 * The place where least is left of what there is, or most is missing. What lies on a device counts as
 * the machine's as well, unless the device has memory of its own.
 */
export function tightestPlace(
  { items, totalBytes }: MemoryEstimate,
  { totalBytes: limitBytes = Infinity, machineBytes = Infinity, devices }: MemoryLimits,
): MemoryPlace {
  const apart = new Set<string>();
  const places: MemoryPlace[] = [];
  for (const { id, ownMemory, freeBytes } of devices) {
    const own = items.filter(({ device }) => device === id);
    if (ownMemory) apart.add(id);
    if (own.length === 0) continue;
    places.push({ device: id, items: own, neededBytes: sumOf(own), availableBytes: freeBytes });
  }
  const shared = items.filter(({ device }) => !apart.has(device));
  const apartBytes = sumOf(items) - sumOf(shared);
  places.push(
    { items: shared, neededBytes: totalBytes - apartBytes, availableBytes: machineBytes },
    { items, neededBytes: totalBytes, availableBytes: limitBytes },
  );
  return places.reduce((tightest, place) => (excess(place) > excess(tightest) ? place : tightest));
}

function sumOf(items: MemoryEstimate['items']): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes that are missing in a place; below zero, those that are left. */
export function excess({ neededBytes, availableBytes }: MemoryPlace): number {
  return neededBytes - availableBytes;
}
