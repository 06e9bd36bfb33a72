import type { Device } from '../engine/device.js';
import { probeHardware } from '../hardware/probe-hardware.js';
import { memoryBudget } from '../planner/memory-budget.js';

/**
 * Bytes that a model may take on a device now: what is available within all limits, less a reserve.
 * `undefined` where the system does not tell.
 */
export async function memoryBudgetBytes(device: Device | undefined): Promise<number | undefined> {
  return memoryBudget(await probeHardware(), device).budgetBytes;
}
