import { probeHardware } from '../hardware/probe-hardware.js';

/**
 * Bytes that a model may take now: what the system has available within all limits, less a reserve.
 * `undefined` where the system does not tell.
 */
export async function memoryBudgetBytes(): Promise<number | undefined> {
  const { memory } = await probeHardware();
  return memory.availableBytes;
}
