import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BytePairEncoder } from '../../src/tokenizer/byte-pair-encoder.js';

/** A vocabulary of the letters a to d and random merges of what is there already. */
const models = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 40 }).map((choices) => {
  const spellings = ['a', 'b', 'c', 'd'];
  const merges: [number, number, number][] = [];
  for (const [first, second] of choices) {
    const left = first % spellings.length;
    const right = second % spellings.length;
    const spelling = `${spellings[left]}${spellings[right]}`;
    if (spelling.length > 12) continue;
    let merged = spellings.indexOf(spelling);
    if (merged === -1) merged = spellings.push(spelling) - 1;
    merges.push([left, right, merged]);
  }
  return { spellings, merges };
});
const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'é', '😀'), maxLength: 60 });

const create = ({
  spellings,
  merges,
}: {
  spellings: string[];
  merges: [number, number, number][];
}) =>
  BytePairEncoder.create({
    vocabulary: new Map(spellings.map((spelling, token) => [spelling, token])),
    merges,
    mergeCount: merges.length,
    ignoreMerges: false,
    unknown: (character) => (character === 'é' ? [1000, 1001] : []),
  });

/** The definition: the pair of the lowest rank everywhere, the leftmost of equals, until there is none. */
function byDefinition(
  word: string,
  { spellings, merges }: { spellings: string[]; merges: [number, number, number][] },
): number[] {
  const symbols = Array.from(word, (character) =>
    spellings.includes(character) ? spellings.indexOf(character) : character === 'é' ? -2 : -1,
  );
  for (;;) {
    let best = { rank: Infinity, at: -1 };
    for (let at = 0; at + 1 < symbols.length; at++) {
      const rank = merges.findIndex(
        ([left, right]) => left === symbols[at] && right === symbols[at + 1],
      );
      if (rank !== -1 && rank < best.rank) best = { rank, at };
    }
    if (best.at === -1) break;
    symbols.splice(best.at, 2, merges[best.rank]![2]);
  }
  return symbols.flatMap((symbol) =>
    symbol === -2 ? [1000, 1001] : symbol === -1 ? [] : [symbol],
  );
}

it('merges as byte-pair encoding is defined', async () => {
  await fc.assert(
    fc.asyncProperty(
      models,
      fc.array(words, { minLength: 1, maxLength: 5 }),
      async (model, list) => {
        const encoder = await create(model);
        // Twice: the second time from what it remembers.
        for (const word of [...list, ...list]) {
          const output: number[] = [];
          encoder.encode(word, output);
          expect(output).toEqual(byDefinition(word, model));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

it('takes a word that is a token whole where it is told so', async () => {
  const encoder = await BytePairEncoder.create({
    vocabulary: new Map([
      ['a', 0],
      ['b', 1],
      ['ab', 2],
      ['aba', 3],
    ]),
    merges: [[0, 1, 2]],
    mergeCount: 1,
    ignoreMerges: true,
    unknown: () => [],
  });
  const output: number[] = [];
  encoder.encode('aba', output);
  encoder.encode('abb', output);
  expect(output).toEqual([3, 2, 1]);
});

it('takes a word of a million characters in its stride', async () => {
  const encoder = await create({ spellings: ['a', 'b', 'c', 'd', 'aa'], merges: [[0, 0, 4]] });
  const output: number[] = [];
  encoder.encode('a'.repeat(1_000_001), output);
  expect(output.length).toBe(500_001);
  expect(output.at(-1)).toBe(0);
});
