import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { checkKvSnapshot } from '../../src/kv/check-kv-snapshot.js';
import { convertKvSnapshot } from '../../src/kv/convert-kv-snapshot.js';
import { readNumbers, writeNumbers } from '../../src/kv/float-formats.js';
import type { KvLineage, KvSnapshot } from '../../src/kv/kv-snapshot.js';
import { requireImportable, requireLineage } from '../../src/kv/require-importable.js';
import { joinKvSnapshots, sliceKvSnapshot } from '../../src/kv/slice-kv-snapshot.js';
import { anySnapshot, sampleSnapshot } from './samples.js';

const mismatch = (details: object): object =>
  expect.objectContaining({
    code: 'KV_MISMATCH',
    details: expect.objectContaining(details) as object,
  }) as object;

/** A copy in memory that its owner can give back at any time. */
function resizable(bytes: Uint8Array): Uint8Array {
  const options = { maxByteLength: bytes.byteLength } as object;
  const buffer = Reflect.construct(ArrayBuffer, [bytes.byteLength, options]) as ArrayBuffer;
  const copy = new Uint8Array(buffer);
  copy.set(bytes);
  return copy;
}

describe('checkKvSnapshot', () => {
  it('takes sound snapshots of every form', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        expect(checkKvSnapshot(snapshot)).toBe(snapshot);
      }),
    );
  });

  const sample = sampleSnapshot();
  const [layer] = sample.layers;
  const withNumber = (value: number) => {
    const numbers = readNumbers(layer!.values, 'f32');
    numbers[3] = value;
    return [layer, { keys: layer!.keys, values: writeNumbers(numbers, 'f32') }];
  };
  const lineage = (own: object) => ({ lineage: { ...sample.lineage, ...own } });
  const adapter = { sha256: 'd'.repeat(64), scale: 0.5 };
  const rope = (own: object) => ({ rope: { ...sample.rope, ...own } });
  it.each<[part: string, own: Record<string, unknown>]>([
    ['version', { version: 2 }],
    ['lineage', { lineage: null }],
    ['lineage.sourceSha256', lineage({ sourceSha256: 'A'.repeat(64) })],
    ['lineage.vocabularySha256', lineage({ vocabularySha256: 'a' })],
    ['lineage.architecture', lineage({ architecture: '' })],
    ['lineage.architecture', lineage({ architecture: 'x'.repeat(129) })],
    ['lineage.adapters', lineage({ adapters: {} })],
    ['lineage.adapters', lineage({ adapters: Array.from({ length: 65 }, () => adapter) })],
    ['lineage.adapters[0]', lineage({ adapters: [null] })],
    ['lineage.adapters[1].sha256', lineage({ adapters: [adapter, { scale: 1 }] })],
    ['lineage.adapters[0].scale', lineage({ adapters: [{ ...adapter, scale: 0 }] })],
    ['lineage.adapters[0].scale', lineage({ adapters: [{ ...adapter, scale: NaN }] })],
    ['layers[0].keys', { layers: [{ ...layer, keys: resizable(layer!.keys) }] }],
    ['startPosition', { startPosition: -1 }],
    ['startPosition', { startPosition: 0.5 }],
    ['dtype', { dtype: 'f64' }],
    ['kvHeads', { kvHeads: 0 }],
    ['keyLength', { keyLength: 2 ** 40 }],
    ['valueLength', { valueLength: NaN }],
    ['rope.pairing', rope({ pairing: 'other' })],
    ['rope.base', rope({ base: Infinity })],
    ['rope.scale', rope({ scale: 0 })],
    ['rope.rotatedLength', rope({ rotatedLength: 3 })],
    ['rope.rotatedLength', rope({ rotatedLength: 8 })],
    ['tokens', { tokens: Int32Array.of(1, 2, 3) }],
    ['tokens[1]', { tokens: [1, -1, 3] }],
    ['tokens[2]', { tokens: [1, 2, 2 ** 31] }],
    ['tokens[0]', { tokens: new Array(3) }],
    ['nextLogits', { nextLogits: [1, 2] }],
    ['nextLogits', { nextLogits: new Float32Array() }],
    ['nextLogits', { nextLogits: Float32Array.of(-Infinity) }],
    ['nextLogits[1]', { nextLogits: Float32Array.of(0, NaN) }],
    ['nextLogits[0]', { nextLogits: Float32Array.of(Infinity) }],
    ['layers', { layers: [] }],
    ['layers', { layers: {} }],
    ['layers', { layers: new Array(5000).fill(layer) }],
    ['layers[1]', { layers: [layer, undefined] }],
    ['layers[0].keys', { layers: [{ keys: new Uint8Array(4), values: layer?.values }] }],
    ['layers[0].keys', { tokens: [1, 2] }],
    ['layers[0].values', { layers: [{ keys: layer?.keys, values: 'no bytes' }] }],
    ['layers[1].values', { layers: withNumber(NaN) }],
    ['layers[1].values', { layers: withNumber(-Infinity) }],
  ])('names the part that cannot be: %s %#', (part, own) => {
    expect(() => checkKvSnapshot({ ...sample, ...own })).toThrow(mismatch({ part }));
  });
});

describe('convertKvSnapshot', () => {
  it('reorders rotated values from one pairing to the other, and no others', () => {
    const neox = sampleSnapshot({ tokens: [5], kvHeads: 1 });
    const interleaved = convertKvSnapshot(neox, { pairing: 'interleaved' });
    expect(interleaved.rope.pairing).toBe('interleaved');
    expect([...readNumbers(interleaved.layers[0]!.keys, 'f32')]).toEqual([0, 2, 1, 3, 4, 5]);
    expect(interleaved.layers[0]!.values).toEqual(neox.layers[0]!.values);
  });

  it('gives a snapshot back after the other pairing and f32, to the bit', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        const { pairing } = snapshot.rope;
        const other = pairing === 'neox' ? 'interleaved' : 'neox';
        const there = convertKvSnapshot(snapshot, { dtype: 'f32', pairing: other });
        expect(convertKvSnapshot(there, { dtype: snapshot.dtype, pairing })).toEqual(snapshot);
      }),
    );
  });

  it('gives the very snapshot back where nothing changes', () => {
    const snapshot = sampleSnapshot();
    expect(convertKvSnapshot(snapshot, {})).toBe(snapshot);
    expect(convertKvSnapshot(snapshot, { dtype: 'f32', pairing: 'neox' })).toBe(snapshot);
  });

  it('refuses to make a number infinite', () => {
    const numbers = Float32Array.from({ length: 4 }, (_, index) => (index === 2 ? 65520 : 1));
    const values = writeNumbers(numbers, 'f32');
    const snapshot = sampleSnapshot({
      tokens: [5],
      kvHeads: 1,
      layers: [{ keys: writeNumbers(new Float32Array(6), 'f32'), values }],
    });
    expect(() => convertKvSnapshot(snapshot, { dtype: 'f16' })).toThrow(
      mismatch({ layer: 0, part: 'values', place: 2, dtype: 'f16' }),
    );
    expect(convertKvSnapshot(snapshot, { dtype: 'bf16' }).dtype).toBe('bf16');
  });
});

describe('sliceKvSnapshot and joinKvSnapshots', () => {
  it('take each other back, at every place', () => {
    fc.assert(
      fc.property(anySnapshot, fc.nat(), (snapshot, number) => {
        const at = number % (snapshot.tokens.length + 1);
        const tail = checkKvSnapshot(sliceKvSnapshot(snapshot, at));
        expect(tail.startPosition).toBe(snapshot.startPosition + at);
        expect(tail.tokens).toEqual(snapshot.tokens.slice(at));
        const head = headOf(snapshot, at);
        expect(checkKvSnapshot(joinKvSnapshots(head, tail))).toEqual(snapshot);
      }),
    );
  });

  it('cut every head, not the tensor', () => {
    const tail = sliceKvSnapshot(sampleSnapshot({ kvHeads: 2, valueLength: 1 }), 2);
    expect([...readNumbers(tail.layers[0]!.values, 'f32')]).toEqual([52, 55]);
  });

  it('refuse what does not follow or is not alike', () => {
    const head = sampleSnapshot();
    const tail = sampleSnapshot({ startPosition: 3 });
    expect(joinKvSnapshots(head, tail).tokens).toEqual([5, 6, 7, 5, 6, 7]);
    const wrong: readonly [object, object][] = [
      [{ part: 'startPosition' }, { startPosition: 2 }],
      [{ part: 'dtype' }, sampleSnapshot({ dtype: 'f16', startPosition: 3 })],
      [{ part: 'kvHeads' }, sampleSnapshot({ kvHeads: 1, startPosition: 3 })],
      [{ part: 'rope.pairing' }, { rope: { ...tail.rope, pairing: 'interleaved' } }],
      [{ part: 'rope.base' }, { rope: { ...tail.rope, base: 5 } }],
      [{ part: 'layers' }, { layers: tail.layers.slice(1) }],
      [{ differing: ['architecture'] }, { lineage: { ...tail.lineage, architecture: 'qwen2' } }],
    ];
    for (const [details, own] of wrong) {
      expect(() => joinKvSnapshots(head, { ...tail, ...own })).toThrow(mismatch(details));
    }
  });

  it('keep the logits that follow the last token', () => {
    const head = sampleSnapshot({ nextLogits: Float32Array.of(1) });
    const { nextLogits: _logits, ...tail } = sampleSnapshot({ startPosition: 3 });
    expect(joinKvSnapshots(head, tail)).not.toHaveProperty('nextLogits');
    const empty = sliceKvSnapshot({ ...tail, startPosition: 0 }, 3);
    expect(joinKvSnapshots(head, empty).nextLogits).toEqual(head.nextLogits);
  });

  it.each([-1, 4, 0.5, NaN])('refuse to cut at %d', (at) => {
    expect(() => sliceKvSnapshot(sampleSnapshot(), at)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'fromToken' }),
    );
  });
});

describe('requireLineage', () => {
  it('names what differs and is silent where nothing does', () => {
    const { lineage } = sampleSnapshot();
    expect(() => {
      requireLineage(lineage, { ...lineage });
    }).not.toThrow();
    const other = { ...lineage, architecture: 'qwen2', vocabularySha256: 'c'.repeat(64) };
    expect(() => {
      requireLineage(lineage, other);
    }).toThrow(
      expect.objectContaining({
        code: 'KV_MISMATCH',
        message: expect.stringContaining(
          'the architecture is qwen2 instead of llama, the sha256 of the vocabulary is cccccccccccccccc',
        ) as string,
        details: {
          differing: ['architecture', 'vocabularySha256'],
          expected: lineage,
          actual: other,
        },
      }),
    );
  });

  it('takes the same adapters in any order, and no others', () => {
    const { lineage } = sampleSnapshot();
    const [a, b] = ['d', 'e'].map((digit) => ({ sha256: digit.repeat(64), scale: 0.5 }));
    const compare = (
      here: readonly unknown[] | undefined,
      there: readonly unknown[] | undefined,
    ) => {
      const of = (adapters: readonly unknown[] | undefined) =>
        ({ ...lineage, ...(adapters && { adapters }) }) as KvLineage;
      return () => {
        requireLineage(of(here), of(there));
      };
    };
    expect(compare([a, b], [b, a])).not.toThrow();
    expect(compare([], undefined)).not.toThrow();
    const other = expect.objectContaining({
      code: 'KV_MISMATCH',
      details: expect.objectContaining({ differing: ['adapters'] }) as object,
    }) as Error;
    expect(compare([a], [a, b])).toThrow(other);
    expect(compare(undefined, [a])).toThrow(other);
    expect(compare([a], [{ ...a, scale: 0.25 }])).toThrow(other);
  });
});

describe('requireImportable', () => {
  const snapshot = sampleSnapshot();
  const target = {
    geometry: {
      layers: 2,
      kvHeads: 2,
      keyLength: 6,
      valueLength: 4,
      rope: { base: 10_000, scale: 1, rotatedLength: 4 },
      vocabularySize: 3,
    },
    lineage: snapshot.lineage,
    tokenCount: 0,
    contextTokens: 3,
  };
  const fitting = { ...snapshot, tokens: [0, 1, 2] };

  it('lets pass what fits to the last token', () => {
    expect(() => {
      requireImportable(fitting, target);
    }).not.toThrow();
    expect(() => {
      requireImportable(fitting, { ...target, contextTokens: 2 });
    }).toThrow(expect.objectContaining({ code: 'CONTEXT_FULL' }));
  });

  it('takes a rope base that was stored as f32 for the one that was meant', () => {
    const base = 10_000.1;
    const rope = { ...target.geometry.rope, base: Math.fround(base) };
    expect(() => {
      requireImportable(
        { ...fitting, rope: { ...fitting.rope, base } },
        { ...target, geometry: { ...target.geometry, rope } },
      );
    }).not.toThrow();
  });

  it('names the part of the shape that is another', () => {
    for (const [part, geometry] of [
      ['layers', { layers: 3 }],
      ['kvHeads', { kvHeads: 1 }],
      ['keyLength', { keyLength: 8 }],
      ['valueLength', { valueLength: 8 }],
      ['rope.rotatedLength', { rope: { ...target.geometry.rope, rotatedLength: 6 } }],
      ['nextLogits', { vocabularySize: 4 }],
    ] as const) {
      expect(() => {
        requireImportable(fitting, { ...target, geometry: { ...target.geometry, ...geometry } });
      }).toThrow(mismatch({ part }));
    }
    expect(() => {
      requireImportable({ ...fitting, tokens: [0, 1, 3] }, target);
    }).toThrow(mismatch({ part: 'a token', actual: 3 }));
  });

  it('wants it to begin where the cache ends', () => {
    const error = (() => {
      try {
        requireImportable(fitting, { ...target, tokenCount: 1, contextTokens: 9 });
      } catch (thrown) {
        return thrown;
      }
      return undefined;
    })();
    expect(MobillmError.is(error, 'KV_MISMATCH')).toBe(true);
    expect(error).toMatchObject({ details: { startPosition: 0, tokenCount: 1 } });
  });
});

/** The tokens before a place, cut by reading numbers one by one. */
function headOf(snapshot: KvSnapshot, at: number): KvSnapshot {
  const count = snapshot.tokens.length;
  const size = snapshot.dtype === 'f32' ? 4 : 2;
  const cut = (tensor: Uint8Array, length: number) =>
    tensor.filter((_, index) => Math.floor(index / (length * size)) % count < at);
  const { nextLogits: _logits, ...rest } = snapshot;
  return {
    ...rest,
    tokens: snapshot.tokens.slice(0, at),
    layers: snapshot.layers.map(({ keys, values }) => ({
      keys: cut(keys, snapshot.keyLength),
      values: cut(values, snapshot.valueLength),
    })),
    ...(at === count && snapshot.nextLogits && { nextLogits: snapshot.nextLogits }),
  };
}
