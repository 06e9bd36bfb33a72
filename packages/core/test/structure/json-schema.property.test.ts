import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchemaToGrammar } from '../../src/structure/json-schema-to-grammar.js';
import { parseGbnf } from '../../src/testing/gbnf-recognizer.js';
import { drawer, randomWalk } from './random-walk.js';
import { order, person, toolCall } from './schemas.js';
import { type TestSchema, validates } from './validate.js';

const name = fc.constantFrom('a', 'b', 'ab', 'é"', '');
const count = fc.nat({ max: 3 });
const { schema: anySchema } = fc.letrec<{ schema: TestSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<TestSchema>(
      { type: 'boolean' },
      { type: 'null' },
      { type: ['integer', 'null'] },
      true,
      {},
    ),
    fc.record({ type: fc.constant('string'), minLength: count }, { requiredKeys: ['type'] }),
    fc.record({ type: fc.constant('string'), maxLength: count }),
    fc
      .constantFrom('^a+$', 'b', '^[ab"]{1,2}', 'é$')
      .map((pattern) => ({ type: 'string', pattern })),
    fc.record({
      type: fc.constantFrom('integer', 'number'),
      minimum: fc.integer({ min: -20, max: 20 }),
    }),
    fc.record({
      enum: fc.uniqueArray(fc.constantFrom('a', 'b', 1, null, true, 'é"'), { minLength: 1 }),
    }),
    fc.jsonValue({ maxDepth: 1, noUnicodeString: false }).map((value) => ({ const: value })),
    fc.record(
      { type: fc.constant('array'), items: tie('schema'), minItems: count },
      { requiredKeys: ['type'] },
    ),
    fc.record(
      {
        type: fc.constant('array'),
        prefixItems: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
        items: tie('schema'),
      },
      { requiredKeys: ['type', 'prefixItems'] },
    ),
    fc
      .record(
        {
          type: fc.constant('object'),
          properties: fc.dictionary(name, tie('schema'), { maxKeys: 4 }),
          additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
        },
        { requiredKeys: ['type', 'properties'] },
      )
      .chain((object) =>
        fc.subarray(Object.keys(object.properties)).map((required) => ({ ...object, required })),
      ),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.constant({ $ref: '#/$defs/shared' }),
    fc.tuple(tie('schema'), fc.constantFrom('a', 'b')).map(([one, key]) => ({
      allOf: [one, { properties: { [key]: { type: 'string' } }, additionalProperties: true }],
      type: 'object',
    })),
  ),
}));
/** Schemas with a definition that refers to itself. */
const schemas = fc.tuple(anySchema, anySchema).map(([schema, shared]) => ({
  anyOf: [schema],
  $defs: {
    shared: { type: 'object', properties: { next: { $ref: '#/$defs/shared' }, a: shared } },
  },
}));
const anyValue = fc.jsonValue({ maxDepth: 2 });

/** The grammar, or the keyword of the refusal, which is one that random schemas may run into. */
function startOf(schema: object) {
  let grammar: string;
  try {
    grammar = jsonSchemaToGrammar(schema);
  } catch (error) {
    const { code, details } = error as { code: string; details: { keyword: string } };
    expect(code).toBe('SCHEMA_UNSUPPORTED');
    expect([
      'type',
      '$ref',
      'anyOf',
      'pattern',
      'minLength',
      'maxLength',
      'minimum',
      'items',
      'minItems',
      'properties',
      'prefixItems',
      'required',
      'additionalProperties',
    ]).toContain(details.keyword);
    return undefined;
  }
  return parseGbnf(grammar);
}

describe('a grammar of any schema', () => {
  it('generates valid JSON alone', () => {
    let walks = 0;
    fc.assert(
      fc.property(schemas, fc.nat(), (schema, seed) => {
        const start = startOf(schema);
        const json = start && randomWalk(start, seed, 60);
        if (json === undefined) return;
        walks += 1;
        expect([json, validates(schema, JSON.parse(json))]).toEqual([json, true]);
      }),
      { numRuns: 600 },
    );
    expect(walks).toBeGreaterThan(200);
  });

  it('matches values that are valid, as JSON.stringify writes them', () => {
    let valid = 0;
    fc.assert(
      fc.property(
        schemas,
        fc.nat(),
        fc.array(anyValue, { maxLength: 4 }),
        (schema, seed, values) => {
          const start = startOf(schema);
          if (start === undefined) return;
          // What it generates is valid; so is the same value in the other layout.
          const json = randomWalk(start, seed, 60);
          const own: unknown[] =
            json === undefined || hasNumericKey(json) ? [] : [JSON.parse(json)];
          for (const value of [...own, ...values.filter((value) => inOrder(schema, value))]) {
            // Its own among them: 3E+20 is written with 21 digits.
            if (!inReach(value) || !validates(schema, value, 'closed')) continue;
            valid += 1;
            expect([JSON.stringify(value), start.push(JSON.stringify(value))?.canEnd]).toEqual([
              JSON.stringify(value),
              true,
            ]);
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(valid).toBeGreaterThan(100);
  });

  it.each([
    ['person', person],
    ['order', order],
    ['tool call', toolCall],
  ])('of the %s generates valid values', (_name, schema) => {
    const start = parseGbnf(jsonSchemaToGrammar(schema));
    let walks = 0;
    for (let seed = 0; seed < 60; seed += 1) {
      const json = randomWalk(start, seed, 200);
      if (json === undefined) continue;
      walks += 1;
      expect([json, validates(schema, JSON.parse(json))]).toEqual([json, true]);
    }
    expect(walks).toBeGreaterThan(30);
  });
});

/** Long or tiny numbers, where there are bounds, and halves of surrogate pairs are out of a grammar's reach. */
function inReach(value: unknown): boolean {
  return !/\d{12}|\.\d{9}|\de[+-]?\d|-0|\\ud[89a-f]/.test(JSON.stringify(value));
}

/** Whether keys stand as a schema declares them; where it declares some, objects are left out. */
function inOrder(schema: unknown, value: unknown): boolean {
  return !JSON.stringify(schema).includes('"properties"') || !JSON.stringify(value).includes('{"');
}

/** Keys such as "1" come first in JavaScript, wherever they stood. */
function hasNumericKey(json: string): boolean {
  return /"\d+" ?:/.test(json);
}

describe('whatever the schema, there is a grammar or an error with a code', () => {
  const keys = [
    'type',
    '$ref',
    'anyOf',
    'allOf',
    'items',
    'properties',
    'required',
    'enum',
    'const',
    'pattern',
    'format',
    'minLength',
    'maxItems',
    'minimum',
    'additionalProperties',
    'nonsense',
    '__proto__',
  ];
  const values = [
    null,
    0,
    -1,
    1e308,
    '',
    'string',
    '#',
    '#/anyOf/0',
    '(((',
    '[',
    {},
    [],
    [[]],
    true,
    false,
    { $ref: '#' },
    ['a'],
    'object',
    Number.NaN,
  ];

  it('changed in places', () => {
    const draw = drawer(7);
    const originals = [person, order, toolCall];
    const outcomes = new Set<string>();
    for (let round = 0; round < 500; round += 1) {
      const schema = structuredClone(originals[round % 3]!) as Record<string, unknown>;
      for (let change = 0; change <= draw(3); change += 1) {
        const places = objectsIn(schema);
        const place = places[draw(places.length)]!;
        const own = Object.keys(place);
        const key =
          draw(2) === 0 && own.length > 0 ? own[draw(own.length)]! : keys[draw(keys.length)]!;
        if (draw(4) === 0) Reflect.deleteProperty(place, key);
        else
          Object.defineProperty(place, key, {
            value: values[draw(values.length)],
            enumerable: true,
            writable: true,
            configurable: true,
          });
      }
      outcomes.add(outcome(schema));
    }
    expect([...outcomes].toSorted()).toEqual(['INVALID_ARGUMENT', 'SCHEMA_UNSUPPORTED', 'grammar']);
  });

  function outcome(schema: unknown): string {
    let grammar: string;
    try {
      grammar = jsonSchemaToGrammar(schema as object);
    } catch (error) {
      return (error as { code: string }).code;
    }
    parseGbnf(grammar);
    return 'grammar';
  }

  function objectsIn(value: unknown): Record<string, unknown>[] {
    if (typeof value !== 'object' || value === null) return [];
    return [value as Record<string, unknown>, ...Object.values(value).flatMap(objectsIn)];
  }
});
