import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CallForm, CallFormat } from '../../../src/chat/tools/call-format.js';
import { deepseekFormat } from '../../../src/chat/tools/deepseek-format.js';
import { forceCalls } from '../../../src/chat/tools/force-calls.js';
import { functionaryFormat } from '../../../src/chat/tools/functionary-format.js';
import { hermesFormat } from '../../../src/chat/tools/hermes-format.js';
import { mistralFormat } from '../../../src/chat/tools/mistral-format.js';
import type { ToolDefinition } from '../../../src/chat/tools/tool-definition.js';
import { writeCalls } from '../../../src/chat/tools/write-calls.js';
import { type GbnfState, parseGbnf } from '../../../src/testing/gbnf-recognizer.js';
import { drawer, randomWalk } from '../../structure/random-walk.js';
import { type TestSchema, validates } from '../../structure/validate.js';
import { everyFormat } from './every-format.js';
import { cut, split } from './samples.js';

const schemas: Readonly<Record<string, TestSchema>> = {
  get_weather: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 7 } },
    required: ['city'],
    additionalProperties: false,
  },
  'lights.set': {
    type: 'object',
    properties: {
      room: { enum: ['kitchen', 'hall'] },
      levels: { type: 'array', items: { type: 'number' }, maxItems: 3 },
      note: { anyOf: [{ type: 'string', maxLength: 5 }, { type: 'null' }] },
    },
    required: ['room', 'levels'],
  },
  // Not said to be an object: arguments are one all the same.
  'tree:walk': {
    properties: { name: { type: ['string', 'boolean'] }, next: { $ref: '#' } },
  },
};
const described: readonly ToolDefinition[] = Object.entries(schemas).map(([name, parameters]) => ({
  type: 'function',
  function: { name, parameters: parameters as object as Record<string, unknown> },
}));
const timeless: ToolDefinition = { type: 'function', function: { name: 'get_time' } };
const tools = [...described, timeless];

/** What is read: the family, what the prompt ends with, and the form that is then written. */
const places: readonly (readonly [string, CallFormat, string, CallForm])[] = [
  ...everyFormat.map((format) => [format.name, format, 'assistant\n', format.form] as const),
  [
    'functionary, begun by the prompt',
    functionaryFormat,
    'assistant\n>>>',
    functionaryFormat.continues!.form,
  ],
];

function forced(format: CallFormat, promptEnd: string, maxCalls = 3, allowed = tools) {
  const calls = forceCalls({ format, specialTexts: [], tools: allowed, maxCalls });
  const promptText = promptEnd + calls.opening;
  const read = (text: string, sizes: readonly number[] = []) => {
    const pieces = [calls.opening, ...cut(text, sizes)];
    return split(format, pieces, { promptText, tools });
  };
  return { ...calls, start: parseGbnf(calls.grammar(promptText)), read };
}

/** Whether it is calls alone, of tools that there are, with valid arguments. */
function isSound({ calls, problems, text }: ReturnType<typeof split>, allowed = tools): boolean {
  return (
    calls.length > 0 &&
    problems.length === 0 &&
    text === '' &&
    calls.every(
      ({ name, arguments: given }) =>
        allowed.some((tool) => tool.function.name === name) &&
        (name === 'get_time'
          ? Object.keys(given).length === 0
          : validates(schemas[name]!, given, 'closed')),
    )
  );
}

const matches = (start: GbnfState, text: string) => start.push(text)?.canEnd === true;

describe.each(places)('calls that are forced: %s', (_, format, promptEnd, form) => {
  it('are read as such, whatever the grammar generates', () => {
    const { start, read } = forced(format, promptEnd);
    const counts = new Set<number>();
    const names = new Set<string>();
    let walks = 0;
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer({ min: 1, max: 9 })), (seed, sizes) => {
        const text = randomWalk(start, seed, 120);
        if (text === undefined) return;
        walks += 1;
        const answer = read(text, sizes);
        expect([text, answer.problems, answer.text, isSound(answer)]).toEqual([text, [], '', true]);
        counts.add(answer.calls.length);
        for (const { name } of answer.calls) names.add(name);
      }),
      { numRuns: 250 },
    );
    expect(walks).toBeGreaterThan(100);
    expect([...counts].sort()).toEqual([1, 2, 3]);
    expect([...names].sort()).toEqual(tools.map((tool) => tool.function.name).sort());
  });

  it('that were changed are refused, unless they are still such', () => {
    const { start, read } = forced(format, promptEnd);
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, change) => {
        const text = randomWalk(start, seed, 120);
        if (text === undefined) return;
        const draw = drawer(change);
        const at = draw(text.length);
        const character = '"{}[],:; \n\\a0<>`'.charAt(draw(16));
        const other = text.slice(0, at) + [character, ''][draw(2)]! + text.slice(at + draw(3));
        if (other === text) return;
        if (matches(start, other)) expect([other, isSound(read(other))]).toEqual([other, true]);
        else refused += 1;
      }),
      { numRuns: 250 },
    );
    expect(refused).toBeGreaterThan(60);
  });

  const written = (...calls: readonly (readonly [string, unknown])[]) =>
    calls.map(([name, given]) => ({ name, json: JSON.stringify(given) }));
  /** As the form is written, without what stands in the prompt or comes behind. */
  const inner = (...calls: readonly (readonly [string, unknown])[]) =>
    writeCalls({ ...form, open: '', close: '' }, written(...calls));

  it('may be all that the tools allow', () => {
    const { start } = forced(format, promptEnd);
    const lights = { room: 'hall', levels: [1, 2.5], note: null };
    for (const text of [
      inner(['get_weather', { city: 'Paris' }]),
      inner(['get_weather', { city: 'Köln "Süd"', days: 7 }]),
      inner(['tree:walk', { name: true, next: { next: {} } }]),
      inner(['get_time', {}], ['lights.set', lights], ['get_time', {}]),
    ]) {
      expect([text, matches(start, text)]).toEqual([text, true]);
    }
  });

  it('are of the tools that may be called, valid, and not too many', () => {
    const time = ['get_time', {}] as const;
    const three = forced(format, promptEnd).start;
    const weather = forced(format, promptEnd, 1, tools.slice(0, 1)).start;
    expect(matches(weather, inner(['get_weather', { city: 'Rome' }]))).toBe(true);
    for (const [start, text] of [
      [three, ''],
      [three, 'It is sunny.'],
      [three, inner(time, time, time, time)],
      [three, inner(['get_tim', {}])],
      [three, inner(['get_weather', {}])],
      [three, inner(['get_weather', { city: 1 }])],
      [three, inner(['get_weather', { city: 'Rome', days: 8 }])],
      [three, inner(['get_weather', { city: 'Rome', more: 1 }])],
      [three, inner(['lights.set', { room: 'bath', levels: [] }])],
      [three, inner(['tree:walk', { next: 1 }])],
      [three, inner(['tree:walk', []])],
      [three, inner(['get_time', { zone: 'UTC' }])],
      [three, `${inner(time)} Done.`],
      [weather, inner(time)],
      [weather, inner(['get_weather', { city: 'Rome' }], ['get_weather', { city: 'Paris' }])],
    ] as const) {
      expect([text, matches(start, text)]).toEqual([text, false]);
    }
  });
});

describe('what forced calls begin with', () => {
  it.each(everyFormat)('tells nothing by itself, and what closes them no more: $name', (format) => {
    const { opening, closing } = forced(format, '');
    expect(split(format, [opening], { tools }).calls).toEqual([]);
    const call = writeCalls({ ...format.form, open: '', close: '' }, [
      { name: 'get_time', json: '{}' },
    ]);
    for (const end of ['', closing]) {
      expect(split(format, [opening, call + end], { tools })).toMatchObject({
        calls: [{ name: 'get_time', arguments: {} }],
        text: '',
        problems: [],
        raw: opening + call + end,
      });
    }
  });

  it('leaves one call where special tokens would stand between several', () => {
    const texts = (format: CallFormat, specialTexts: readonly string[]) => {
      const { grammar } = forceCalls({ format, specialTexts, tools: [timeless], maxCalls: 2 });
      const start = parseGbnf(grammar(''));
      const call = { name: 'get_time', json: '{}' };
      const form = { ...format.form, open: '', close: '' };
      return [1, 2].map((count) =>
        matches(
          start,
          writeCalls(
            form,
            Array.from({ length: count }, () => call),
          ),
        ),
      );
    };
    expect(texts(hermesFormat, ['<|im_end|>'])).toEqual([true, true]);
    expect(texts(hermesFormat, ['</tool_call>'])).toEqual([true, false]);
    expect(texts(deepseekFormat, deepseekFormat.marks)).toEqual([true, false]);
    expect(texts(mistralFormat, mistralFormat.marks)).toEqual([true, true]);
  });
});

describe('a tool that no call can be forced of', () => {
  const force = (parameters: Record<string, unknown>) => () =>
    forceCalls({
      format: hermesFormat,
      specialTexts: [],
      tools: [timeless, { type: 'function', function: { name: 'odd', parameters } }],
      maxCalls: 1,
    });

  it.each<[string, Record<string, unknown>, string, string]>([
    [
      'a keyword that is not followed',
      { properties: { a: { not: { type: 'string' } } } },
      'not',
      '#/properties/a',
    ],
    [
      'nothing that is valid',
      { type: 'object', required: ['a'], properties: { a: false } },
      'type',
      '#',
    ],
    ['no object', { type: 'string' }, 'type', '#'],
  ])('is named: %s', (_, parameters, keyword, path) => {
    expect(force(parameters)).toThrow(
      expect.objectContaining({
        code: 'SCHEMA_UNSUPPORTED',
        message: expect.stringContaining('of the tool "odd"') as string,
        details: { keyword, path, tool: 'odd' },
      }),
    );
  });

  it('is a wrong call where it has no schema', () => {
    expect(force({ type: 'STRING' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        key: 'tools',
        message: expect.stringContaining('"odd"') as string,
      }),
    );
  });
});
