import { describe, expect, it } from 'vitest';
import {
  compileSchema,
  type JsonSchema,
  jsonSchemaToGrammar,
} from '../../src/structure/json-schema-to-grammar.js';
import { maxSchemaWork } from '../../src/structure/schema-work.js';
import { parseGbnf } from '../../src/testing/gbnf-recognizer.js';
import { order, person, toolCall } from './schemas.js';

const text = { type: 'string' };
const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: {
        value: { type: 'integer' },
        children: { type: 'array', items: { $ref: '#/$defs/node' } },
      },
      required: ['value'],
    },
  },
};

/** Schema, JSON that its grammar matches, JSON that it does not. */
const cases: readonly [name: string, schema: JsonSchema, yes: string[], no: string[]][] = [
  [
    'string',
    text,
    ['""', '"a é 😀 \\n\\"\\\\ \\u0001"'],
    ['"', '"\n"', '"\\q"', '"\\u00e9"', 'a', '"a" '],
  ],
  [
    'integer',
    { type: 'integer' },
    ['0', '-12', '999999999999999'],
    ['-0', '01', '1.0', '1e3', '9999999999999999'],
  ],
  [
    'number',
    { type: 'number' },
    ['0', '-0.5', '1e-7', '12.25', '1E+20'],
    ['.5', '1.', '01', '1e999', 'NaN'],
  ],
  ['boolean', { type: 'boolean' }, ['true', 'false'], ['True', '0']],
  ['null', { type: 'null' }, ['null'], ['"null"']],
  ['several types', { type: ['string', 'null'] }, ['null', '"a"'], ['1']],
  ['integer beside number', { type: ['integer', 'number'] }, ['1', '1.5'], ['"1"']],
  ['anything: true', true, ['1', '{"a":[null,{}]}', '[]', '[ 1, "a" ]'], ['{a:1}', '']],
  ['anything: {}', { title: 'x', description: 'y', 'x-own': 1 }, ['[[1]]'], ['[']],
  [
    'enum',
    { enum: ['a', 1, null, { k: [1] }] },
    ['"a"', '1', 'null', '{"k":[1]}', '{ "k": [ 1 ] }'],
    ['"b"', '2', '{}'],
  ],
  ['enum beside type', { type: 'string', enum: ['a', 1, null] }, ['"a"'], ['1', 'null']],
  ['const', { const: 'a"b' }, ['"a\\"b"'], ['"a"']],
  ['const within enum', { allOf: [{ enum: ['a', 'b'] }, { const: 'b' }] }, ['"b"'], ['"a"']],
  ['nullable', { type: 'integer', nullable: true }, ['1', 'null'], ['""']],
  ['type from keywords', { minLength: 2 }, ['"ab"'], ['"a"', '1']],
  [
    'minLength, maxLength',
    { type: 'string', minLength: 1, maxLength: 2 },
    ['"a"', '"😀\\n"'],
    ['""', '"abc"'],
  ],
  [
    'a long maxLength',
    { type: 'string', maxLength: 5000 },
    ['""', `"${'a'.repeat(5000)}"`],
    [`"${'a'.repeat(5001)}"`],
  ],
  [
    'pattern, anchored',
    { type: 'string', pattern: '^a[0-9]+$' },
    ['"a1"', '"a123"'],
    ['"a"', '"ba1"', '"a1b"'],
  ],
  [
    'pattern, not anchored',
    { type: 'string', pattern: 'a|^b' },
    ['"xay"', '"by"'],
    ['"xb"', '"c"'],
  ],
  [
    'pattern over escaped characters',
    { type: 'string', pattern: '^["\\\\\\n\\x01]+$' },
    ['"\\"\\\\\\n\\u0001"'],
    ['"n"', '"\\t"'],
  ],
  [
    'pattern with lengths',
    { pattern: '^[a-z][a-z0-9]*$', minLength: 2, maxLength: 4 },
    ['"ab"', '"a123"'],
    ['"a"', '"abcde"'],
  ],
  [
    'pattern whose lengths are within',
    { pattern: '^[A-Z]{3}-\\d+$', minLength: 2 },
    ['"ABC-1"'],
    ['"AB-1"'],
  ],
  [
    'minimum, maximum',
    { type: 'integer', minimum: -12, maximum: 105 },
    ['-12', '-9', '0', '99', '105'],
    ['-13', '106', '-0', '00'],
  ],
  [
    'exclusive bounds',
    { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 10 },
    ['1', '9'],
    ['0', '10'],
  ],
  [
    'exclusive bounds of old',
    { type: 'integer', minimum: 0, exclusiveMinimum: true },
    ['1', '12'],
    ['0', '-1'],
  ],
  [
    'bounds of all safe integers',
    { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    ['-5', '123456789012345'],
    ['1.5'],
  ],
  [
    'a share',
    { type: 'number', minimum: 0, maximum: 1 },
    ['0', '0.25', '1', '1.0'],
    ['1.01', '-0.1', '2', '1e0'],
  ],
  [
    'above zero',
    { type: 'number', exclusiveMinimum: 0 },
    ['0.01', '1', '15.5'],
    ['0', '0.0', '-1'],
  ],
  [
    'fractions as bounds',
    { type: 'number', minimum: -1.5, exclusiveMaximum: 2.25 },
    ['-1.5', '-1.499', '2.2', '2.249', '0'],
    ['-1.51', '2.25', '2.250', '3'],
  ],
  ['hundredths', { type: 'number', multipleOf: 0.01, minimum: 0 }, ['1.25', '3'], ['1.255']],
  ['int32', { type: 'integer', format: 'int32' }, ['2147483647', '-2147483648'], ['2147483648']],
  [
    'items',
    { type: 'array', items: { type: 'integer' } },
    ['[]', '[1]', '[1,2, 3]', '[\n  1,\n  2\n]'],
    ['[1,]', '["a"]', '[1 ,2]', '[,]'],
  ],
  [
    'minItems, maxItems',
    { type: 'array', items: text, minItems: 1, maxItems: 2 },
    ['["a"]', '["a","b"]'],
    ['[]', '["a","b","c"]'],
  ],
  ['no items', { type: 'array', maxItems: 0 }, ['[]'], ['[1]']],
  ['items of any kind', { type: 'array' }, ['[1,"a",[]]'], ['{}']],
  [
    'prefixItems',
    { prefixItems: [text, { type: 'integer' }] },
    ['[]', '["a"]', '["a",1]'],
    ['[1]', '["a",1,2]'],
  ],
  [
    'prefixItems and items',
    { prefixItems: [text], items: { type: 'null' }, minItems: 1 },
    ['["a"]', '["a",null,null]'],
    ['[]', '["a","b"]'],
  ],
  [
    'tuples of old',
    { items: [text, { type: 'integer' }], minItems: 2, maxItems: 2, additionalItems: false },
    ['["a",1]'],
    ['["a"]', '["a",1,1]'],
  ],
  ['no values in an array', { prefixItems: [text, false] }, ['[]', '["a"]'], ['["a",1]']],
  [
    'required and optional',
    { type: 'object', properties: { a: text, b: text, c: text, d: text }, required: ['b'] },
    [
      '{"b":""}',
      '{"a":"","b":""}',
      '{"b":"","d":""}',
      '{"a":"","b":"","c":"","d":""}',
      '{ "b": "", "c": "" }',
    ],
    ['{}', '{"a":""}', '{"b":"","a":""}', '{"b":"",}', '{,"b":""}', '{"b":"","x":1}'],
  ],
  [
    'all optional',
    { type: 'object', properties: { a: text, b: text } },
    ['{}', '{"a":""}', '{"b":""}', '{"a":"","b":""}'],
    ['{"b":"","a":""}'],
  ],
  ['no properties', { type: 'object', additionalProperties: false }, ['{}'], ['{"a":1}']],
  ['any object', { type: 'object' }, ['{}', '{"a":1,"b":{}}'], ['[]']],
  ['required without properties', { type: 'object', required: ['a'] }, ['{"a":1}'], ['{}']],
  [
    'additionalProperties of a type',
    { type: 'object', properties: { ab: { type: 'integer' } }, additionalProperties: text },
    ['{}', '{"ab":1}', '{"ab":1,"x":"","a":""}', '{"abc":"","":""}'],
    ['{"ab":""}', '{"x":1}', '{"ab":1,"ab":""}'],
  ],
  [
    'additionalProperties: true',
    { properties: { a: text }, required: ['a'], additionalProperties: true },
    ['{"a":"","b":[1]}'],
    ['{"b":1}', '{"a":1}'],
  ],
  [
    'a map',
    { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 2 },
    ['{}', '{"x":1}', '{"x":1,"y":2}'],
    ['{"x":""}', '{"x":1,"y":2,"z":3}'],
  ],
  [
    'a map of some names',
    { type: 'object', propertyNames: { enum: ['a', 'b'] }, additionalProperties: text },
    ['{"a":""}'],
    ['{"c":""}'],
  ],
  [
    'patternProperties',
    { type: 'object', patternProperties: { '^x-': text }, additionalProperties: false },
    ['{}', '{"x-a":""}'],
    ['{"y":""}', '{"x-a":1}'],
  ],
  [
    'a property that may not be',
    { properties: { a: text, b: false } },
    ['{"a":""}', '{}'],
    ['{"b":1}'],
  ],
  ['anyOf', { anyOf: [text, { type: 'integer' }] }, ['"a"', '1'], ['null']],
  ['oneOf', { oneOf: [text, { type: 'integer' }] }, ['"a"', '1'], ['null']],
  [
    'anyOf beside others',
    {
      type: 'object',
      properties: { a: text },
      anyOf: [{ required: ['a'] }, { properties: { b: text }, required: ['b'] }],
    },
    ['{"a":""}', '{"b":""}', '{"a":"","b":""}'],
    ['{}'],
  ],
  [
    'allOf',
    {
      allOf: [
        { type: 'object', properties: { a: text }, required: ['a'] },
        { properties: { a: { maxLength: 1 }, b: text } },
      ],
    },
    ['{"a":"x"}', '{"a":"x","b":""}'],
    ['{"a":"xx"}', '{"b":""}'],
  ],
  [
    'allOf of a closed one',
    {
      allOf: [
        { properties: { a: text }, additionalProperties: false },
        { properties: { b: text } },
      ],
    },
    ['{}', '{"a":""}'],
    ['{"b":""}'],
  ],
  [
    'allOf of bounds',
    { type: 'integer', allOf: [{ minimum: 5 }, { maximum: 7 }] },
    ['5', '7'],
    ['4', '8'],
  ],
  [
    '$ref',
    { properties: { a: { $ref: '#/definitions/a%20b~1c' } }, definitions: { 'a b/c': text } },
    ['{"a":""}'],
    ['{"a":1}'],
  ],
  [
    '$ref beside others',
    { $ref: '#/$defs/a', maxLength: 1, $defs: { a: text } },
    ['"a"'],
    ['"ab"', '1'],
  ],
  [
    '$ref to itself',
    tree,
    ['{"value":1}', '{"value":1,"children":[{"value":2,"children":[]}]}'],
    ['{"value":1,"children":[{}]}'],
  ],
  ['$ref to the root', { type: 'array', items: { $ref: '#' } }, ['[]', '[[],[[]]]'], ['[1]']],
  [
    'a branch without end is left out',
    { anyOf: [text, { type: 'array', items: false, minItems: 1 }, { not: {} }] },
    ['"a"'],
    ['[]'],
  ],
  [
    'date',
    { type: 'string', format: 'date' },
    ['"2024-02-29"', '"1999-12-31"'],
    ['"2023-02-29"', '"2023-04-31"', '"23-1-1"'],
  ],
  [
    'time',
    { format: 'time' },
    ['"23:59:59Z"', '"01:02:03.5+01:00"'],
    ['"24:00:00Z"', '"01:02:03"'],
  ],
  [
    'date-time',
    { format: 'date-time' },
    ['"2024-01-31T10:00:00Z"'],
    ['"2024-01-31"', '"2024-01-31 10:00:00Z"'],
  ],
  [
    'duration',
    { format: 'duration' },
    ['"P1Y2M3D"', '"PT5M"', '"P2W"', '"P1DT1H"'],
    ['"P"', '"PT"', '"1D"'],
  ],
  ['uuid', { format: 'uuid' }, ['"123e4567-e89b-12d3-a456-426614174000"'], ['"123e4567"']],
  ['email', { format: 'email' }, ['"a.b@example.org"'], ['"a@b"', '"a b@example.org"']],
  ['hostname', { format: 'hostname' }, ['"example.org"', '"a-b.c"'], ['"-a"', '"a..b"']],
  [
    'ipv4',
    { format: 'ipv4' },
    ['"127.0.0.1"', '"255.255.255.255"'],
    ['"256.1.1.1"', '"1.2.3"', '"01.2.3.4"'],
  ],
  [
    'ipv6',
    { format: 'ipv6' },
    ['"::1"', '"::"', '"2001:db8::8:800:200c:417a"', '"1:2:3:4:5:6:7:8"'],
    ['"1:2"', '":::"', '"1::2::3"'],
  ],
  [
    'uri',
    { format: 'uri' },
    ['"https://example.org:80/a/b?c=d#e"', '"mailto:a@example.org"'],
    ['"example"', '"https://a b"'],
  ],
  ['uri-reference', { format: 'uri-reference' }, ['"/a/b?c"', '"https://example.org"'], ['""']],
  [
    'person',
    person,
    [
      '{"name":"Ada","birthDate":"1815-12-10","age":36,"email":"ada@example.org","married":true}',
      '{\n  "name": "Ada",\n  "birthDate": "1815-12-10",\n  "age": 36,\n  "email": "ada@example.org",\n  "married": true,\n  "nickname": null\n}',
    ],
    ['{}', '{"name":""}'],
  ],
  [
    'order',
    order,
    [
      '{"id":"ORD-000001","status":"new","items":[{"sku":"ABC1234","quantity":2,"price":9.5}],"shipTo":{"street":"s","city":"c","country":"DE"},"billTo":null,"discount":0.15}',
    ],
    ['{"id":"ORD-1"}', '{"id":"ORD-000001","status":"old"}'],
  ],
  [
    'tool call',
    toolCall,
    [
      '{"tool":"get_weather","arguments":{"city":"Rome"}}',
      '{"tool": "search", "arguments": {"query": "a", "limit": 50, "filters": {"b": "c"}}}',
      '{"tool":"none","answer":"42"}',
    ],
    ['{"tool":"none","arguments":{}}', '{"tool":"other"}'],
  ],
];

describe('a grammar matches what is valid and nothing else', () => {
  it.each(cases)('%s', (_name, schema, yes, no) => {
    const start = parseGbnf(jsonSchemaToGrammar(schema));
    expect(yes.filter((json) => start.push(json)?.canEnd !== true)).toEqual([]);
    expect(no.filter((json) => start.push(json)?.canEnd === true)).toEqual([]);
  });
});

describe('the grammar as a text', () => {
  it('is short and has names that tell', () => {
    const schema = {
      type: 'object',
      properties: { who: text, age: { type: 'integer', maximum: 5 } },
      required: ['who', 'age'],
    };
    expect(jsonSchemaToGrammar(schema)).toBe(
      [
        'root ::= "{" space "\\"who\\"" colon string "," space "\\"age\\"" colon root-age space "}"',
        'space ::= (" " | "\\n" " "{0,16})?',
        'colon ::= ":" " "?',
        'string ::= "\\"" char* "\\""',
        'char ::= [^\\x00-\\x1F\\"\\\\] | escape',
        'escape ::= "\\\\" ([\\"\\\\bfnrt] | "u00" ("0" [0-7be-f] | "1" [0-9a-f]))',
        'root-age ::= [0-5] | "-" ([1-9] | [1-9] [0-9]{1,14})',
        '',
      ].join('\n'),
    );
  });

  it('leaves no room for space when it is to be compact', () => {
    const start = parseGbnf(jsonSchemaToGrammar(person, { whitespace: 'compact' }));
    const value = { name: 'A', birthDate: '1815-12-10', age: 1, email: 'a@b.org', married: false };
    expect(start.push(JSON.stringify(value))?.canEnd).toBe(true);
    expect(start.push('{ ')).toBeUndefined();
    expect(start.push('{"name": ')).toBeUndefined();
  });
});

function refusal(schema: unknown): unknown {
  try {
    return jsonSchemaToGrammar(schema as JsonSchema);
  } catch (error) {
    const { code, key, details } = error as { code: string; key?: string; details?: object };
    return code === 'INVALID_ARGUMENT' ? { code, key } : { code, ...details };
  }
}

describe('what is not followed is an error that names keyword and path', () => {
  it.each<[unknown, string, string]>([
    [{ uniqueItems: true }, 'uniqueItems', '#'],
    [{ properties: { a: { not: { type: 'string' } } } }, 'not', '#/properties/a'],
    [{ if: {}, then: {} }, 'if', '#'],
    [{ dependentRequired: {} }, 'dependentRequired', '#'],
    [{ contains: {} }, 'contains', '#'],
    [{ maxLenght: 3 }, 'maxLenght', '#'],
    [
      { properties: { 'a/b~c': { multipleOf: 7, type: 'integer' } } },
      'multipleOf',
      '#/properties/a~1b~0c',
    ],
    [{ format: 'regex' }, 'format', '#'],
    [{ format: 'constructor' }, 'format', '#'],
    [{ pattern: '(?=a)' }, 'pattern', '#'],
    [{ pattern: '(' }, 'pattern', '#'],
    [{ pattern: 'a', format: 'date' }, 'format', '#'],
    [{ pattern: 'a.*b', maxLength: 9 }, 'pattern', '#'],
    [{ enum: ['a'], minLength: 1 }, 'minLength', '#'],
    [{ $ref: 'https://example.org/schema' }, '$ref', '#'],
    [{ $ref: '#name' }, '$ref', '#'],
    [{ items: { $id: 'https://example.org/a', type: 'string' } }, '$id', '#/items'],
    [{ $ref: '#/$defs/none' }, '$ref', '#'],
    [{ $ref: '#/__proto__' }, '$ref', '#'],
    [{ $ref: '#' }, '$ref', '#'],
    [{ anyOf: [{ type: 'string' }, { $ref: '#' }] }, '$ref', '#'],
    [{ allOf: [{ $ref: '#' }], type: 'string' }, '$ref', '#/allOf/0'],
    [{ type: 'object', minProperties: 2 }, 'minProperties', '#'],
    [{ properties: { a: true }, maxProperties: 0 }, 'maxProperties', '#'],
    [{ properties: { a: true }, patternProperties: { b: true } }, 'patternProperties', '#'],
    [{ type: 'number', minimum: 0.1234567890123456 }, 'minimum', '#'],
    [{ type: 'string', maxLength: 1e6 }, 'type', '#'],
    [false, 'type', '#'],
    [{ type: 'array', items: { $ref: '#' }, minItems: 1 }, 'type', '#'],
    [{ type: 'integer', minimum: 2, maximum: 1 }, 'type', '#'],
  ])('%j', (schema, keyword, path) => {
    expect(refusal(schema)).toEqual({ code: 'SCHEMA_UNSUPPORTED', keyword, path });
  });

  it.each<[unknown, string]>([
    ['text', 'schema'],
    [null, 'schema'],
    [[], 'schema'],
    [new Map(), 'schema'],
    [{ type: 'text' }, 'schema#/type'],
    [{ properties: { a: 7 } }, 'schema#/properties/a'],
    [{ properties: [] }, 'schema#/properties'],
    [{ required: 'a' }, 'schema#/required'],
    [{ type: 'string', minLength: -1 }, 'schema#/minLength'],
    [{ type: 'number', minimum: '1' }, 'schema#/minimum'],
    [{ enum: [] }, 'schema#/enum'],
    [{ const: 1n }, 'schema#/const'],
    [{ anyOf: {} }, 'schema#/anyOf'],
    [{ nullable: 1 }, 'schema#/nullable'],
  ])('%o is no schema', (schema, key) => {
    expect(refusal(schema)).toEqual({ code: 'INVALID_ARGUMENT', key });
  });

  it('and so is an option that is not there', () => {
    expect(() => jsonSchemaToGrammar(true, { spaces: 2 } as never)).toThrow(RangeError);
  });
});

describe('a schema is bounded', () => {
  it('in depth', () => {
    let schema: object = { type: 'null' };
    for (let depth = 0; depth < 100_000; depth += 1) schema = { type: 'array', items: schema };
    expect(refusal(schema)).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', keyword: 'type' });
    const around: Record<string, unknown> = { type: 'array' };
    around['items'] = around;
    expect(refusal(around)).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', keyword: 'type' });
  });

  it('in levels of allOf, and in how much of it there is', () => {
    let deep: object = { type: 'null' };
    for (let depth = 0; depth < 100_000; depth += 1) deep = { allOf: [deep], minimum: 1 };
    expect(refusal(deep)).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', keyword: 'allOf' });
    const wide = Array.from({ length: 3000 }, (_, at) => ({ minimum: at }));
    expect(refusal({ allOf: wide })).toMatchObject({
      code: 'SCHEMA_UNSUPPORTED',
      keyword: 'allOf',
    });
  });

  it('in values', () => {
    const many = Array.from({ length: 200_000 }, (_, at) => at);
    const enumRefusal = { code: 'SCHEMA_UNSUPPORTED', keyword: 'enum', path: '#/items' };
    expect(refusal({ items: { enum: many } })).toEqual(enumRefusal);
    expect(refusal({ const: many })).toMatchObject({
      code: 'SCHEMA_UNSUPPORTED',
      keyword: 'const',
    });
    let deep: unknown = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
    expect(refusal({ const: deep })).toMatchObject({
      code: 'SCHEMA_UNSUPPORTED',
      keyword: 'const',
    });
  });

  it('in references that branch', () => {
    const both = (at: number) => ({ allOf: [ref(at + 1), ref(at + 1)] });
    const ref = (at: number) => ({ $ref: `#/$defs/d${at}` });
    const definitions = Array.from({ length: 30 }, (_, at) => [`d${at}`, both(at)] as const);
    const schema = { ...ref(0), $defs: { ...Object.fromEntries(definitions), d30: text } };
    expect(refusal(schema)).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', keyword: '$ref' });
  });

  it('in work, which is counted', () => {
    const many = <T>(count: number, make: (at: number) => T) =>
      Array.from({ length: count }, (_, at) => make(at));
    const properties = (count: number, make: (at: number) => object) => ({
      type: 'object',
      properties: Object.fromEntries(many(count, (at) => [`p${at}`, make(at)])),
    });
    const values = many(5000, (at) => at);
    const long = 'x'.repeat(100_000);
    const classes = `[${'\\p{L}'.repeat(1500)}]`;
    const both = (keyword: string, maker: (at: number) => object) => ({
      [keyword]: many(8, maker),
    });
    for (const [keyword, schema] of [
      ['enum', properties(2000, () => ({ enum: values }))],
      ['enum', properties(2000, () => ({ const: values }))],
      ['pattern', properties(500, (at) => ({ pattern: `^${'a'.repeat(9900)}{${at}}$` }))],
      ['pattern', properties(100, (at) => ({ pattern: `^${classes}{${at}}$` }))],
      [
        'required',
        { type: 'object', allOf: many(200, () => ({ required: many(20_000, String) })) },
      ],
      [
        '$ref',
        { ...properties(2000, () => ({ $ref: `#/$defs/${long}` })), $defs: { [long]: text } },
      ],
      [
        'type',
        properties(4000, () => ({
          ...both('anyOf', (at) => ({ minLength: at })),
          ...both('oneOf', (at) => ({ maxLength: 9 + at })),
        })),
      ],
      [
        'type',
        properties(3000, (at) => ({
          ...{ type: 'number', minimum: -123_456_789.12345 - at, maximum: 987_654_321.98765 },
        })),
      ],
      [
        'type',
        { ...properties(0, () => text), allOf: many(200, () => properties(1000, () => text)) },
      ],
    ] as const) {
      expect(refusal(schema)).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', keyword });
    }
  });

  it('but not where it is only large', () => {
    const named = (count: number, make: (at: number) => object, name = (at: number) => `p${at}`) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [name(at), make(at)]));
    const kinds = [text, { type: 'integer' }, { type: 'array', items: text }] as const;
    const wide = { type: 'object', properties: named(1000, (at) => kinds[at % 3]!) };
    // Each of 200 definitions refers to two others, so that a path through them passes nearly all.
    const definition = (at: number) => ({
      type: 'object',
      properties: {
        id: { type: 'integer', minimum: 1 },
        name: { type: 'string', maxLength: 20 },
        kind: { enum: ['a', 'b', 'c'] },
        created: { type: 'string', format: 'date' },
        next: { $ref: `#/$defs/p${(at * 7 + 1) % 200}` },
        list: { type: 'array', items: { $ref: `#/$defs/p${(at * 13 + 5) % 200}` } },
      },
      required: ['id', 'name'],
      additionalProperties: false,
    });
    const description = {
      $defs: named(200, definition),
      type: 'object',
      properties: named(200, (at) => ({ $ref: `#/$defs/p${at}` })),
    };
    for (const schema of [
      wide,
      { ...wide, required: Object.keys(wide.properties) },
      { ...wide, additionalProperties: text },
      {
        ...wide,
        properties: named(
          500,
          () => text,
          (at) => `property_with_a_name_${at * 7919}`,
        ),
        additionalProperties: true,
      },
      description,
    ]) {
      expect(refusal(schema)).toMatch(/^root ::= /);
      // It is far from the bound, whoever changes what counts.
      expect(compileSchema(schema, 'flexible').work.spent).toBeLessThan(maxSchemaWork / 2);
    }
  });

  it('in width and combinations', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ type: 'string', minLength: at }));
    expect(refusal({ anyOf: many(6000) })).toMatchObject({ code: 'SCHEMA_UNSUPPORTED' });
    expect(refusal({ anyOf: many(9), oneOf: many(9) })).toMatchObject({
      keyword: 'anyOf',
      code: 'SCHEMA_UNSUPPORTED',
    });
    const items = { type: 'string', maxLength: 9999 };
    expect(refusal({ type: 'array', items, maxItems: 10_000 })).toMatch(/^root ::= /);
    expect(refusal({ type: 'array', items, maxItems: 20_000 })).toMatchObject({ keyword: 'type' });
  });
});
