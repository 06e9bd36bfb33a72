import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchemaToGrammar } from '../../src/structure/json-schema-to-grammar.js';
import { parseGbnf } from '../../src/testing/gbnf-recognizer.js';
import { randomWalk } from './random-walk.js';
import { validates } from './validate.js';

const bound = fc.oneof(
  fc.integer({ min: -1200, max: 1200 }),
  fc.integer({ min: -99_999_999, max: 99_999_999 }),
  fc.integer({ min: -99_999, max: 99_999 }).map((number) => number / 1000),
  fc.constantFrom(0, 1, -1, 0.5, 1e-7, -1e-7, 9.99, 10, 100, 1e6),
);
const bounds = fc
  .record(
    { minimum: bound, maximum: bound, exclusiveMinimum: bound, exclusiveMaximum: bound },
    { requiredKeys: [] },
  )
  .chain((schema) =>
    fc.constantFrom({ ...schema, type: 'number' }, { ...schema, type: 'integer' }),
  );

/** The grammar, or nothing where no number is within the bounds. */
function startOf(schema: object) {
  try {
    return parseGbnf(jsonSchemaToGrammar(schema));
  } catch (error) {
    const { code, details } = error as { code: string; details: { keyword: string } };
    expect(code).toBe('SCHEMA_UNSUPPORTED');
    expect(details.keyword).toMatch(/^type$|imum$/i);
    return undefined;
  }
}

describe('numbers within bounds', () => {
  it('match where they are valid, and nowhere else', () => {
    const near = fc.tuple(fc.integer({ min: -3, max: 3 }), fc.constantFrom(1, 0.1, 0.001));
    fc.assert(
      fc.property(bounds, fc.array(near, { maxLength: 8 }), (schema, offsets) => {
        const start = startOf(schema);
        const ends = Object.values(schema).filter((value) => typeof value === 'number');
        for (const end of [0, ...ends]) {
          for (const [steps, size] of offsets) {
            const value = Number((end + steps * size).toFixed(7));
            const json = JSON.stringify(value);
            if (/e/.test(json) || json.replace(/\D/g, '').length > 15) continue;
            if (start === undefined) continue;
            const matches = start.push(json)?.canEnd ?? false;
            expect([json, matches]).toEqual([json, validates(schema, value)]);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('are all that the grammar generates', () => {
    fc.assert(
      fc.property(bounds, fc.nat(), (schema, seed) => {
        const start = startOf(schema);
        const json = start && randomWalk(start, seed, 12);
        if (json !== undefined) {
          expect([json, validates(schema, JSON.parse(json) as unknown)]).toEqual([json, true]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
