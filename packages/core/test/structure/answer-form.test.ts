import { describe, expect, it } from 'vitest';
import { checkRegex, checkSchema, grammarOf } from '../../src/structure/answer-form.js';

describe('the form of an answer', () => {
  it('is asked for in one way', () => {
    expect(grammarOf({})).toBeUndefined();
    expect(grammarOf({ grammar: 'root ::= "a"' })).toBe('root ::= "a"');
    expect(grammarOf({ regex: /a/ })).toBe('root ::= "a"\n');
    expect(grammarOf({ regex: 'a' })).toBe('root ::= "a"\n');
    expect(grammarOf({ schema: { const: 1 } })).toBe('root ::= "1"\n');
    expect(grammarOf({ schema: true })).toMatch(/^root ::= value\n/);
    expect(() => grammarOf({ schema: {}, regex: /a/ })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'regex' }),
    );
  });

  it('is that of the schema as it is now', () => {
    const schema: Record<string, unknown> = { const: 1 };
    expect(grammarOf({ schema })).toBe('root ::= "1"\n');
    expect(grammarOf({ schema })).toBe('root ::= "1"\n');
    schema['const'] = 2;
    expect(grammarOf({ schema })).toBe('root ::= "2"\n');
    // What nobody looks at may be anything.
    schema['default'] = schema;
    expect(grammarOf({ schema })).toBe('root ::= "2"\n');
    schema['const'] = 3;
    expect(grammarOf({ schema })).toBe('root ::= "3"\n');
  });

  it('is of the right type', () => {
    expect(checkSchema({}, 'schema')).toEqual({});
    expect(checkRegex(/a/, 'regex')).toEqual(/a/);
    expect(() => checkSchema('{}', 'schema')).toThrow(TypeError);
    expect(() => checkSchema(null, 'schema')).toThrow(TypeError);
    expect(() => checkRegex({}, 'regex')).toThrow(TypeError);
  });
});
