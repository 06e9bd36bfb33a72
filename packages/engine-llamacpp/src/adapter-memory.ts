import type { Device, LoraAdapterFile, LoraPair, MemoryItem } from '@mobillm/core';

/**
 * Bytes of an adapter's matrices by device: the library puts each pair where the matrix lies that it
 * changes.
 *
 * @param layersByDevice of the model, the first layers first
 */
export function adapterBytes(
  pairs: readonly LoraPair[],
  layersByDevice: Readonly<Record<string, number>>,
): { readonly device: string; readonly bytes: number }[] {
  const deviceOfLayer = Object.entries(layersByDevice).flatMap(([device, count]) =>
    Array<string>(count).fill(device),
  );
  const deviceOf = (name: string) => {
    const layer = /^blk\.(\d+)\./u.exec(name)?.[1];
    if (layer !== undefined) return deviceOfLayer[Number(layer)];
    // What tokens are looked up in stays on the CPU; the output goes with the last layer.
    return name === 'token_embd.weight' ? 'cpu' : deviceOfLayer.at(-1);
  };
  const sums = new Map<string, number>();
  for (const { name, a, b } of pairs) {
    const device = deviceOf(name) ?? 'cpu';
    sums.set(device, (sums.get(device) ?? 0) + a.byteLength + b.byteLength);
  }
  return Array.from(sums, ([device, bytes]) => ({ device, bytes }));
}

/**
 * What adapters take, as rows of an estimate: their matrices, and an upper bound of what computing with them
 * takes beside what it takes without. That is what the tokens of a step become by the widest pair, as f32,
 * reduced to its rank and led back from there; one pair after another uses the same place.
 */
export function adapterItems(
  adapters: readonly LoraAdapterFile[],
  model: {
    readonly layersByDevice: Readonly<Record<string, number>>;
    readonly batchTokens: number;
  },
): MemoryItem[] {
  const rows = adapters.flatMap(({ pairs }) => adapterBytes(pairs, model.layersByDevice));
  const computeBytes = computeBytesOf(adapters, model.batchTokens);
  return Array.from(new Set(rows.map(({ device }) => device))).flatMap((device) => [
    { purpose: 'adapters' as const, device, bytes: sumOf(rows, device) },
    { purpose: 'compute' as const, device, bytes: computeBytes },
  ]);
}

/**
 * What devices may hold of a model where adapters are to have room beside it: on each for all of them, since
 * which layers it gets is not known yet.
 *
 * @param deviceBytes what is given; what is free, less the addon's own reserve (`offload_fit.cpp`), where
 * nothing is
 */
export function lessAdapters(
  devices: readonly Device[],
  deviceBytes: Readonly<Record<string, number>> | undefined,
  adapters: readonly LoraAdapterFile[],
  batchTokens: number,
): Readonly<Record<string, number>> | undefined {
  if (adapters.length === 0) return deviceBytes;
  const apart =
    adapters.reduce((sum, { weightBytes }) => sum + weightBytes, 0) +
    computeBytesOf(adapters, batchTokens);
  const rows = devices.flatMap(({ id, kind, memoryFreeBytes: free }) => {
    const most =
      deviceBytes?.[id] ??
      (free === undefined ? undefined : free - Math.max(free / 16, 64 * 2 ** 20));
    if (kind === 'cpu' || most === undefined) return [];
    return [[id, Math.max(0, Math.floor(most - apart))] as const];
  });
  return Object.fromEntries(rows);
}

function computeBytesOf(adapters: readonly LoraAdapterFile[], batchTokens: number): number {
  const widths = adapters.flatMap(({ pairs }) => pairs.map(widthOf));
  return 4 * batchTokens * Math.max(0, ...widths);
}

/** Numbers that a token becomes by a pair. */
function widthOf({ name, a, b }: LoraPair): number {
  const [first, second] = [a.shape[1] ?? 1, b.shape[1] ?? 1];
  // Of what tokens are looked up in, each of the two lies the other way around.
  return name === 'token_embd.weight' ? (a.shape[0] ?? 1) + (b.shape[1] ?? 1) : first + second;
}

function sumOf(
  rows: readonly { readonly device: string; readonly bytes: number }[],
  device: string,
): number {
  return rows.reduce((sum, row) => sum + (row.device === device ? row.bytes : 0), 0);
}
