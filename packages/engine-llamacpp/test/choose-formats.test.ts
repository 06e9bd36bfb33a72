import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseFormats, type StorageChoice } from '../src/optimize/choose-formats.js';

const ways = fc.array(
  fc.record({ bytes: fc.integer({ min: 1, max: 40 }), cost: fc.integer({ min: 0, max: 100 }) }),
  { minLength: 1, maxLength: 4 },
);
const problems = fc.record({
  tensors: fc.array(ways, { minLength: 1, maxLength: 5 }),
  budget: fc.integer({ min: 0, max: 220 }),
});

/** The least cost of all mixtures that fit; Infinity where none does. */
function best(tensors: readonly (readonly StorageChoice[])[], budget: number): number {
  const [first, ...others] = tensors;
  if (budget < 0) return Infinity;
  if (first === undefined) return 0;
  return Math.min(...first.map(({ bytes, cost }) => cost + best(others, budget - bytes)));
}

describe('choosing formats under a budget', () => {
  it('fits the budget wherever that is possible, within one step of the best', () => {
    fc.assert(
      fc.property(problems, ({ tensors, budget }) => {
        const chosen = chooseFormats(tensors, budget);
        const least = best(tensors, budget);
        expect(chosen === undefined).toBe(least === Infinity);
        if (chosen === undefined) return;
        const rows = chosen.map((way, tensor) => tensors[tensor]![way]!);
        const sum = (key: keyof StorageChoice) => rows.reduce((all, row) => all + row[key], 0);
        expect(sum('bytes')).toBeLessThanOrEqual(budget);
        // The step that no longer fits is worth no more than the largest cost of one tensor.
        const largest = Math.max(...tensors.flat().map(({ cost }) => cost));
        expect(sum('cost')).toBeLessThanOrEqual(least + largest);
      }),
      { numRuns: 500 },
    );
  });

  it('spends bytes where they save most', () => {
    const small = { bytes: 10, cost: 8 };
    const tensors = [
      [small, { bytes: 20, cost: 0 }],
      [
        { ...small, cost: 80 },
        { bytes: 20, cost: 0 },
      ],
    ];
    expect(chooseFormats(tensors, 30)).toEqual([0, 1]);
    expect(chooseFormats(tensors, 40)).toEqual([1, 1]);
    expect(chooseFormats(tensors, 19)).toBeUndefined();
  });

  it('passes over ways that others beat', () => {
    const tensors = [
      [
        { bytes: 30, cost: 0 },
        { bytes: 10, cost: 10 },
        { bytes: 10, cost: 9 },
        { bytes: 20, cost: 9.5 },
      ],
    ];
    expect(chooseFormats(tensors, 29)).toEqual([2]);
    expect(chooseFormats(tensors, 30)).toEqual([0]);
  });
});
