import { MobillmError } from '../errors/mobillm-error.js';
import { checkKvShape } from './check-kv-snapshot.js';
import { firstNonFinite, readNumbers, writeNumbers } from './float-formats.js';
import type { KvDtype, KvLayer, KvRope, KvSnapshot } from './kv-snapshot.js';

/** The form that {@link convertKvSnapshot} gives a snapshot. */
export interface KvForm {
  /** Number format; as it is by default. */
  readonly dtype?: KvDtype;
  /** Pairing of rotated values; as it is by default. */
  readonly pairing?: KvRope['pairing'];
}

/**
 * The same cache in another number format, rounded to nearest with ties to even, and with another
 * pairing of rotated values, which only reorders them. Gives back the snapshot itself where nothing
 * changes.
 *
 * @throws MobillmError `KV_MISMATCH` when the snapshot is not sound, or holds a number that the format
 * cannot (f16 ends at 65504).
 */
export function convertKvSnapshot(snapshot: KvSnapshot, form: KvForm): KvSnapshot {
  checkKvShape(snapshot);
  const { dtype = snapshot.dtype, pairing = snapshot.rope.pairing } = form;
  const reorders = pairing !== snapshot.rope.pairing;
  if (dtype === snapshot.dtype && !reorders) return snapshot;
  const layers = snapshot.layers.map((layer, index): KvLayer => {
    const keys = readNumbers(layer.keys, snapshot.dtype);
    return {
      keys: written(reorders ? reordered(keys, snapshot, pairing) : keys, dtype, index, 'keys'),
      values:
        dtype === snapshot.dtype
          ? layer.values
          : written(readNumbers(layer.values, snapshot.dtype), dtype, index, 'values'),
    };
  });
  return { ...snapshot, dtype, rope: { ...snapshot.rope, pairing }, layers };
}

/** Reorders the rotated values of every head to another pairing. */
function reordered(
  keys: Float32Array,
  { keyLength, rope: { rotatedLength } }: KvSnapshot,
  pairing: KvRope['pairing'],
): Float32Array {
  const half = rotatedLength / 2;
  const result = Float32Array.from(keys);
  for (let head = 0; head < keys.length; head += keyLength) {
    for (let pair = 0; pair < half; pair++) {
      const [low, high] = [head + pair, head + pair + half];
      const [even, odd] = [head + 2 * pair, head + 2 * pair + 1];
      if (pairing === 'neox') {
        result[low] = keys[even] ?? 0;
        result[high] = keys[odd] ?? 0;
      } else {
        result[even] = keys[low] ?? 0;
        result[odd] = keys[high] ?? 0;
      }
    }
  }
  return result;
}

function written(
  numbers: Float32Array,
  dtype: KvDtype,
  layer: number,
  part: 'keys' | 'values',
): Uint8Array {
  const tensor = writeNumbers(numbers, dtype);
  const place = firstNonFinite(tensor, dtype);
  if (place < 0) return tensor;
  throw new MobillmError(
    'KV_MISMATCH',
    `The ${part} of layer ${layer} hold ${numbers[place]}, which is no finite ${dtype}. Ask for f32 or bf16.`,
    { details: { layer, part, place, dtype } },
  );
}
