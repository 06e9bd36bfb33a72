import type { KvDtype, KvTensor } from './kv-snapshot.js';

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** Bytes of one number. */
export function numberBytes(dtype: KvDtype): 2 | 4 {
  return dtype === 'f32' ? 4 : 2;
}

/** The bits of an f32 rounded to the nearest f16, ties to even; what is too large becomes infinite. */
export function toFloat16(value: number): number {
  floats[0] = value;
  const whole = bits[0] ?? 0;
  const sign = (whole >>> 16) & 0x8000;
  const magnitude = whole & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  // From 65520 on, the nearest f16 is infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Subnormal: next to 0.5 the last bit of an f32 is worth 2^-24, as it is here.
    floats[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f00_0000);
  }
  const rounded = magnitude + 0x0fff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x3800_0000) >>> 13);
}

/** The number that the bits of an f16 stand for. */
export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x03ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  bits[0] = ((half & 0x7fff) << 13) + 0x3800_0000;
  return sign * (floats[0] ?? NaN);
}

/** The bits of an f32 rounded to the nearest bf16, ties to even; what is too large becomes infinite. */
export function toBfloat16(value: number): number {
  floats[0] = value;
  const whole = bits[0] ?? 0;
  if ((whole & 0x7fff_ffff) > 0x7f80_0000) return (whole >>> 16) | 0x0040;
  return (whole + 0x7fff + ((whole >>> 16) & 1)) >>> 16;
}

/** The number that the bits of a bf16 stand for. */
export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return floats[0] ?? NaN;
}

/** The numbers of a tensor; all three formats fit an f32 exactly. */
export function readNumbers(tensor: KvTensor, dtype: KvDtype): Float32Array {
  const view = new DataView(tensor.buffer, tensor.byteOffset, tensor.byteLength);
  const size = numberBytes(dtype);
  const numbers = new Float32Array(Math.floor(tensor.byteLength / size));
  for (let i = 0; i < numbers.length; i++) {
    if (dtype === 'f32') numbers[i] = view.getFloat32(i * 4, true);
    else if (dtype === 'f16') numbers[i] = fromFloat16(view.getUint16(i * 2, true));
    else numbers[i] = fromBfloat16(view.getUint16(i * 2, true));
  }
  return numbers;
}

/** A tensor of numbers, each rounded to the nearest that the format has, ties to even. */
export function writeNumbers(numbers: Float32Array, dtype: KvDtype): Uint8Array {
  const size = numberBytes(dtype);
  const tensor = new Uint8Array(numbers.length * size);
  const view = new DataView(tensor.buffer);
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i] ?? 0;
    if (dtype === 'f32') view.setFloat32(i * 4, value, true);
    else view.setUint16(i * 2, dtype === 'f16' ? toFloat16(value) : toBfloat16(value), true);
  }
  return tensor;
}

/** Place of the first number of a tensor that is infinite or none at all; -1 where all are finite. */
export function firstNonFinite(tensor: KvTensor, dtype: KvDtype): number {
  const view = new DataView(tensor.buffer, tensor.byteOffset, tensor.byteLength);
  const size = numberBytes(dtype);
  const count = Math.floor(tensor.byteLength / size);
  const exponent = dtype === 'f16' ? 0x7c00 : dtype === 'bf16' ? 0x7f80 : 0x7f80_0000;
  for (let i = 0; i < count; i++) {
    const value = size === 4 ? view.getUint32(i * 4, true) : view.getUint16(i * 2, true);
    if ((value & exponent) === exponent) return i;
  }
  return -1;
}
