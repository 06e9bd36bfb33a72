import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { checkKvSnapshot } from '../../src/kv/check-kv-snapshot.js';
import { decodeKvSnapshot, encodeKvSnapshot } from '../../src/kv/kv-codec.js';
import { anySnapshot, sampleSnapshot } from './samples.js';

/** Reads bytes of any origin: gives a sound snapshot, or one of the two codes and nothing else. */
function expectHarmless(bytes: Uint8Array): 'read' | 'refused' {
  try {
    checkKvSnapshot(decodeKvSnapshot(bytes));
    return 'read';
  } catch (error) {
    const expected =
      MobillmError.is(error, 'MODEL_INVALID') || MobillmError.is(error, 'KV_MISMATCH');
    expect(expected, String(error)).toBe(true);
    return 'refused';
  }
}

describe('the binary form of a KV snapshot', () => {
  it('gives every snapshot back, wherever the bytes lie', () => {
    fc.assert(
      fc.property(anySnapshot, fc.nat({ max: 7 }), (snapshot, offset) => {
        const bytes = encodeKvSnapshot(snapshot);
        const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
        shifted.set(bytes);
        expect(decodeKvSnapshot(shifted)).toEqual(snapshot);
      }),
    );
  });

  it('begins its numbers at multiples of 4', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        const bytes = encodeKvSnapshot(snapshot);
        expect((12 + new DataView(bytes.buffer).getUint32(8, true)) % 8).toBe(0);
      }),
    );
  });

  it('is refused when it is shorter or longer by a byte', () => {
    const bytes = encodeKvSnapshot(sampleSnapshot());
    for (let length = 0; length < bytes.length; length++) {
      expect(expectHarmless(bytes.subarray(0, length))).toBe('refused');
    }
    expect(expectHarmless(Uint8Array.of(...bytes, 0))).toBe('refused');
  });

  it('is sound or refused when bytes of it are changed', () => {
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(
        anySnapshot,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
        (snapshot, changes) => {
          const bytes = encodeKvSnapshot(snapshot);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          outcomes[expectHarmless(bytes)]++;
        },
      ),
      { numRuns: 1000 },
    );
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });

  it('is sound or refused when its header says something else', () => {
    const sample = encodeKvSnapshot(sampleSnapshot());
    const headerLength = new DataView(sample.buffer).getUint32(8, true);
    const header = JSON.parse(
      new TextDecoder().decode(sample.subarray(12, 12 + headerLength)),
    ) as Record<string, unknown>;
    const keys = [...Object.keys(header), '__proto__', 'version', 'tokens'];
    fc.assert(
      fc.property(
        fc.constantFrom(...keys),
        fc.oneof(
          fc.jsonValue(),
          fc.constantFrom(-1, 0, 1, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, 0.5, null, 'f16'),
        ),
        (key, value) => {
          const text = JSON.stringify(
            Object.assign(Object.create(null) as object, header, { [key]: value }),
          );
          const plain = new TextEncoder().encode(text);
          const bytes = new Uint8Array(12 + plain.length + sample.length - 12 - headerLength);
          bytes.set(sample.subarray(0, 12));
          new DataView(bytes.buffer).setUint32(8, plain.length, true);
          bytes.set(plain, 12);
          bytes.set(sample.subarray(12 + headerLength), 12 + plain.length);
          expectHarmless(bytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is sound or refused when it is any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (noise, withMagic) => {
        const bytes = Uint8Array.from(noise);
        if (withMagic) bytes.set([0x4d, 0x4b, 0x56, 0x53, 1, 0, 0, 0].slice(0, bytes.length));
        expect(expectHarmless(bytes)).toBe('refused');
      }),
    );
  });

  it('tells another version from damage', () => {
    const bytes = encodeKvSnapshot(sampleSnapshot());
    bytes[4] = 2;
    expect(() => decodeKvSnapshot(bytes)).toThrow(expect.objectContaining({ code: 'KV_MISMATCH' }));
    bytes[0] = 0;
    expect(() => decodeKvSnapshot(bytes)).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });

  it('is never written from what is not sound', () => {
    expect(() => encodeKvSnapshot(sampleSnapshot({ tokens: [1] }))).not.toThrow();
    expect(() => encodeKvSnapshot({ ...sampleSnapshot(), tokens: [1] })).toThrow(
      expect.objectContaining({ code: 'KV_MISMATCH' }),
    );
  });
});
