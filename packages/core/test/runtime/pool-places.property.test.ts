import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PoolPlaces } from '../../src/runtime/pool-places.js';

/** The same as {@link PoolPlaces}, place by place. */
class EveryPlace {
  places: object[] = [];

  grow(tokens: number): void {
    for (let i = 0; i < tokens; i++) this.places.push({});
  }
}

const action = fc.record({
  kind: fc.constantFrom('grow', 'cut', 'copy'),
  sequence: fc.nat({ max: 3 }),
  other: fc.nat({ max: 3 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('places in a pool', () => {
  it('are counted as if each were looked at', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const sequences = Array.from({ length: 4 }, () => ({
          counted: new PoolPlaces(),
          every: new EveryPlace(),
        }));
        for (const { kind, sequence, other, share } of actions) {
          const one = sequences[sequence]!;
          const from = sequences[other]!;
          const length = (of: typeof one) => Math.round(share * of.every.places.length);
          if (kind === 'grow') one.every.grow(Math.round(share * 10));
          if (kind === 'cut') {
            one.every.places.length = length(one);
            one.counted.cut(one.every.places.length);
          }
          if (kind === 'copy' && one !== from) {
            const lent = from.counted.lend(length(from));
            one.every.places = from.every.places.slice(0, length(from));
            one.counted.take(lent);
          }
          const all = new Set(sequences.flatMap(({ every }) => every.places));
          const holders = sequences.map(
            ({ counted, every }) => [counted, every.places.length] as const,
          );
          expect(PoolPlaces.count(holders)).toBe(all.size);
        }
      }),
    );
  });
});
