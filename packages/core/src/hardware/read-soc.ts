import type { Platform } from '../platform/platform.js';
import type { CpuInfo } from './parse-cpu-info.js';
import type { SocProfile } from './hardware-profile.js';

/** Reads the listing of Android's `getprop`: one `[name]: [value]` a line; empty values are left out. */
export function parseGetprop(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^\[([^\]]+)\]: \[([^\]]+)\]\r?$/gm)].map((match) => [
      match[1] ?? '',
      match[2] ?? '',
    ]),
  );
}

/** Reads the device tree's `compatible`: names, each ended by a zero byte. */
export function parseCompatible(text: string): readonly string[] {
  return text.split('\0').filter(Boolean);
}

/**
 * Names the chip and the board by Android's properties, Qualcomm's `soc0`, the device tree and
 * `/proc/cpuinfo`, in this order; `undefined` where none of them says anything.
 */
export async function readSoc(
  platform: Platform,
  properties: ReadonlyMap<string, string>,
  cpuInfo: CpuInfo | undefined,
): Promise<SocProfile | undefined> {
  const [machine, family, socId, compatibleText, treeModel] = await Promise.all(
    [
      '/sys/devices/soc0/machine',
      '/sys/devices/soc0/family',
      '/sys/devices/soc0/soc_id',
      '/sys/firmware/devicetree/base/compatible',
      '/sys/firmware/devicetree/base/model',
    ].map(async (path) => (await platform.readTextFile(path))?.trim() || undefined),
  );
  const compatible = compatibleText === undefined ? [] : parseCompatible(compatibleText);
  const phone = [properties.get('ro.product.manufacturer'), properties.get('ro.product.model')]
    .filter(Boolean)
    .join(' ');
  // By convention the last name is the chip's: "brcm,bcm2712".
  const [treeVendor, treeChip] = compatible.at(-1)?.split(',') ?? [];
  const vendor = properties.get('ro.soc.manufacturer') ?? family ?? treeVendor;
  // The Pi's kernels write BCM2835 for every chip in /proc/cpuinfo, so that comes last.
  const model = properties.get('ro.soc.model') ?? machine ?? treeChip ?? cpuInfo?.hardware;
  const chipPlatform = properties.get('ro.board.platform');
  const board = phone || treeModel?.replaceAll('\0', '') || cpuInfo?.board;
  const soc: SocProfile = {
    ...(vendor ? { vendor } : {}),
    ...(model ? { model } : {}),
    ...(chipPlatform ? { platform: chipPlatform } : {}),
    ...(socId ? { socId } : {}),
    ...(board ? { board } : {}),
    ...(compatible.length > 0 ? { compatible } : {}),
  };
  return Object.keys(soc).length === 0 ? undefined : soc;
}
