import { type Device, wrongValue, MobillmError } from '@mobillm/core';
import type { NativeOffload } from './addon.js';
import type { ResolvedOpenOptions } from './engine-options.js';

/**
 * Which devices hold which part of a model, from what `open` or `estimate` was asked for, the memory that
 * may be used on some of them included.
 *
 * @throws InvalidArgument where the options contradict each other; MobillmError `UNSUPPORTED` for a
 * device that only helps the CPU.
 */
export function resolveOffload(
  devices: readonly Device[],
  device: string | undefined,
  own: ResolvedOpenOptions,
  deviceBytes: Readonly<Record<string, number>> = {},
): NativeOffload {
  const { tensorSplit, gpuLayers } = own;
  const repack = own.repack === 'auto';
  const shares = tensorSplit ?? { [device ?? devices[0]?.id ?? 'cpu']: 1 };
  if (tensorSplit) checkSplit(tensorSplit, devices, device);
  const chosen = Object.entries(shares).map(([id, share]) => {
    const mostBytes = deviceBytes[id];
    return { id, share, ...(mostBytes !== undefined && { mostBytes }) };
  });
  const kinds = chosen.map(({ id }) => devices.find((item) => item.id === id)?.kind);
  if (kinds.includes('accelerator')) {
    const { id } = chosen[kinds.indexOf('accelerator')] ?? { id: '' };
    throw new MobillmError(
      'UNSUPPORTED',
      `The device "${id}" helps the CPU by itself and holds no layers of a model. Choose the CPU.`,
      { details: { device: id } },
    );
  }
  if (kinds.includes('cpu')) {
    if (gpuLayers === 'all' || (gpuLayers !== 'auto' && gpuLayers > 0)) {
      throw wrongValue(
        'engineOptions.gpuLayers',
        'asks for layers on another device than the CPU, but the device is the CPU',
      );
    }
    return { devices: [], gpuLayers: 0, repack };
  }
  return { devices: chosen, gpuLayers: toNumber(gpuLayers), repack };
}

function checkSplit(
  split: Readonly<Record<string, number>>,
  devices: readonly Device[],
  device: string | undefined,
): void {
  const key = 'engineOptions.tensorSplit';
  const known = devices.filter(({ kind }) => kind !== 'cpu').map(({ id }) => id);
  const ids = Object.keys(split);
  if (ids.length === 0) throw wrongValue(key, 'names no device');
  if (ids.length > largestSplit) {
    throw wrongValue(key, `names ${ids.length} devices, but ${largestSplit} are the most`);
  }
  for (const id of ids) {
    if (known.includes(id)) continue;
    throw wrongValue(
      `${key}.${id}`,
      `is no device beside the CPU; those are ${known.join(', ') || 'none here'}`,
    );
  }
  if (device !== undefined && !ids.includes(device)) {
    throw wrongValue(key, `does not name "${device}", the device that was chosen`);
  }
}

/** Devices that the library can share a model between. */
const largestSplit = 16;

/** As {@link NativeOffload} counts. */
function toNumber(gpuLayers: number | 'auto' | 'all'): number {
  if (gpuLayers === 'auto') return -1;
  return gpuLayers === 'all' ? -2 : gpuLayers;
}
