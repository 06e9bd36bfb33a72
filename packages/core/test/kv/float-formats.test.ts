import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromBfloat16,
  fromFloat16,
  readNumbers,
  toBfloat16,
  toFloat16,
  writeNumbers,
} from '../../src/kv/float-formats.js';

/** Every finite number of a 16-bit format, rising. */
function allOf(read: (bits: number) => number): { bits: number; value: number }[] {
  return Array.from({ length: 0x8000 }, (_, bits) => ({ bits, value: read(bits) })).filter(
    ({ value }) => Number.isFinite(value),
  );
}

describe.each([
  ['f16', toFloat16, fromFloat16, 65504, 0x7c00],
  ['bf16', toBfloat16, fromBfloat16, 3.3895313892515355e38, 0x7f80],
] as const)('%s', (_name, write, read, largest, infinity) => {
  const finite = allOf(read);

  it('rises over all bit patterns, from 0 to its largest number', () => {
    expect(finite).toHaveLength(infinity);
    expect(finite[0]?.value).toBe(0);
    expect(finite.at(-1)?.value).toBe(largest);
    expect(
      finite.every(({ value }, index) => index === 0 || value > finite[index - 1]!.value),
    ).toBe(true);
  });

  it('gives every bit pattern back', () => {
    for (const { bits, value } of finite) {
      expect([write(value), write(-value)]).toEqual([bits, bits | 0x8000]);
    }
    expect([write(Infinity), write(-Infinity)]).toEqual([infinity, infinity | 0x8000]);
    expect(read(write(NaN))).toBeNaN();
  });

  it('rounds to the nearest, and halfway to the even one', () => {
    for (const [index, { bits, value }] of finite.entries()) {
      const next = finite[index + 1];
      if (!next) break;
      // Halfway is exact in f32, but for the very smallest numbers of bf16.
      const half = (value + next.value) / 2;
      if (Math.fround(half) !== half) continue;
      expect(write(half)).toBe(bits % 2 === 0 ? bits : next.bits);
      const [below, above] = neighbours(half);
      if (below > value) expect(write(below)).toBe(bits);
      if (above < next.value) expect(write(above)).toBe(next.bits);
    }
  });

  it('makes infinite what is nearer to infinity than to its largest number', () => {
    const step = largest - finite.at(-2)!.value;
    expect(write(largest + step / 4)).toBe(infinity - 1);
    expect(write(Math.min(largest + step / 2, 3.4028234663852886e38))).toBe(infinity);
  });
});

describe('tensors of numbers', () => {
  it('keep f32 as it is, wherever the bytes lie', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true }), fc.nat({ max: 7 }), (numbers, offset) => {
        const tensor = writeNumbers(numbers, 'f32');
        const shifted = new Uint8Array(tensor.length + offset).subarray(offset);
        shifted.set(tensor);
        expect(readNumbers(shifted, 'f32')).toEqual(numbers);
      }),
    );
  });

  it('are little-endian', () => {
    expect([...writeNumbers(Float32Array.of(1), 'f32')]).toEqual([0, 0, 0x80, 0x3f]);
    expect([...writeNumbers(Float32Array.of(1), 'f16')]).toEqual([0, 0x3c]);
    expect([...writeNumbers(Float32Array.of(1), 'bf16')]).toEqual([0x80, 0x3f]);
  });
});

/** The f32 numbers next to one. */
function neighbours(value: number): [number, number] {
  const floats = Float32Array.of(value);
  const bits = new Uint32Array(floats.buffer);
  bits[0]! -= 1;
  const below = floats[0]!;
  bits[0]! += 2;
  return [below, floats[0]!];
}
