import fc from 'fast-check';
import { writeNumbers } from '../../src/kv/float-formats.js';
import type { KvDtype, KvSnapshot } from '../../src/kv/kv-snapshot.js';

/** A small sound snapshot whose numbers all differ. */
export function sampleSnapshot(own: Partial<KvSnapshot> = {}): KvSnapshot {
  const { tokens = [5, 6, 7], kvHeads = 2, keyLength = 6, valueLength = 4, dtype = 'f32' } = own;
  const tensor = (length: number, from: number) =>
    writeNumbers(
      Float32Array.from({ length: kvHeads * tokens.length * length }, (_, index) => from + index),
      dtype,
    );
  return {
    version: 1,
    lineage: {
      sourceSha256: 'a'.repeat(64),
      architecture: 'llama',
      vocabularySha256: 'b'.repeat(64),
    },
    startPosition: 0,
    tokens,
    dtype,
    kvHeads,
    keyLength,
    valueLength,
    rope: { pairing: 'neox', base: 10_000, scale: 1, rotatedLength: 4 },
    layers: [0, 1].map((layer) => ({
      keys: tensor(keyLength, layer * 100),
      values: tensor(valueLength, layer * 100 + 50),
    })),
    nextLogits: Float32Array.of(1, -2, 0.5),
    ...own,
  };
}

const tensorOf = (count: number, dtype: KvDtype) =>
  fc
    .array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: count, maxLength: count })
    .map((numbers) => writeNumbers(Float32Array.from(numbers), dtype));

/** Sound snapshots of all formats, pairings and small shapes. */
export const anySnapshot: fc.Arbitrary<KvSnapshot> = fc
  .record({
    dtype: fc.constantFrom<KvDtype>('f16', 'bf16', 'f32'),
    pairing: fc.constantFrom('neox' as const, 'interleaved' as const),
    tokens: fc.array(fc.nat({ max: 50_000 }), { maxLength: 5 }),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    keyLength: fc.integer({ min: 1, max: 6 }),
    valueLength: fc.integer({ min: 1, max: 5 }),
    layerCount: fc.integer({ min: 1, max: 3 }),
    startPosition: fc.nat({ max: 1000 }),
    architecture: fc.string({ minLength: 1, maxLength: 12 }),
    scales: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: 0.125 }), {
      maxLength: 3,
    }),
    logits: fc.option(
      fc.array(fc.float({ noNaN: true, max: 1024 }), { minLength: 1, maxLength: 9 }),
      {
        nil: undefined,
      },
    ),
  })
  .filter(({ logits }) => logits === undefined || logits.some((logit) => logit !== -Infinity))
  .chain(({ pairing, layerCount, logits, architecture, scales, ...facts }) => {
    const count = facts.kvHeads * facts.tokens.length;
    const layer = fc.record({
      keys: tensorOf(count * facts.keyLength, facts.dtype),
      values: tensorOf(count * facts.valueLength, facts.dtype),
    });
    return fc
      .array(layer, { minLength: layerCount, maxLength: layerCount })
      .map((layers): KvSnapshot => ({
        version: 1,
        lineage: {
          ...sampleSnapshot().lineage,
          architecture,
          ...(scales.length > 0 && {
            adapters: scales.map((scale, index) => ({ sha256: String(index).repeat(64), scale })),
          }),
        },
        ...facts,
        rope: {
          pairing,
          base: 10_000.5,
          scale: 0.25,
          rotatedLength: 2 * Math.floor(facts.keyLength / 2),
        },
        layers,
        ...(logits && { nextLogits: Float32Array.from(logits) }),
      }));
  });
