import type { MemoryEstimate } from '@mobillm/core';
import type { NativeDeviceMemory } from './addon.js';

/** Memory by device as rows of an item each; a device that has none of something has no row of it. */
export function memoryItems(devices: readonly NativeDeviceMemory[]): MemoryEstimate['items'] {
  const items = devices.flatMap(({ device, ...bytes }) => [
    { purpose: 'weights' as const, device, bytes: bytes.weightsBytes },
    { purpose: 'kv-cache' as const, device, bytes: bytes.kvCacheBytes },
    { purpose: 'compute' as const, device, bytes: bytes.computeBytes },
    { purpose: 'output' as const, device, bytes: bytes.outputBytes },
  ]);
  // A device beside the CPU has no output, and may have no cache.
  return devices.length === 1 ? items : items.filter(({ bytes }) => bytes > 0);
}
