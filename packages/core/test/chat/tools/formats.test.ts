import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepseekFormat } from '../../../src/chat/tools/deepseek-format.js';
import { functionaryFormat } from '../../../src/chat/tools/functionary-format.js';
import { gemmaFormat } from '../../../src/chat/tools/gemma-format.js';
import { genericFormat } from '../../../src/chat/tools/generic-format.js';
import { hermesFormat } from '../../../src/chat/tools/hermes-format.js';
import { llamaFormat } from '../../../src/chat/tools/llama-format.js';
import { mistralFormat } from '../../../src/chat/tools/mistral-format.js';
import { phiFormat } from '../../../src/chat/tools/phi-format.js';
import { writeCalls } from '../../../src/chat/tools/write-calls.js';
import { everyFormat } from './every-format.js';
import { cut, split } from './samples.js';

const paris = { name: 'get_weather', arguments: { city: 'Paris' } };
const rome = { name: 'get_weather', arguments: { city: 'Rome', days: 2 } };
const time = { name: 'get_time', arguments: {} };
const plan = {
  name: 'plan',
  arguments: {
    steps: ['a "b"', 1, { c: null }],
    options: { d: '}]' },
    code: 'x = 1\ny = "2"',
    share: 0.5,
    quick: true,
  },
};
const planJson = JSON.stringify(plan.arguments);
const fenced = (json: string) => `\`\`\`json\n${json}\n\`\`\``;

/** Format, what a model wrote, calls, text. */
const answers = [
  [
    hermesFormat,
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
    [paris],
    '',
  ],
  [
    hermesFormat,
    'Let me look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>\n{"arguments": {"city": "Rome", "days": 2}, "name": "get_weather"}\n</tool_call>\nDone.',
    [paris, rome],
    'Let me look.\nDone.',
  ],
  [hermesFormat, `<tool_call>{"name": "plan", "arguments": ${planJson}}`, [plan], ''],
  [hermesFormat, '<tool_call>{"name": "get_time"}</tool_call>', [time], ''],
  [
    hermesFormat,
    '<tool_call>\n{"name": "get_time", "arguments": null}\n{"name": "get_time", "arguments": {}}\n</tool_call>',
    [time, time],
    '',
  ],
  [
    hermesFormat,
    '<tool_call>{"name": "plan", "arguments": {"code": "a\nb"}}</tool_call>',
    [{ name: 'plan', arguments: { code: 'a\nb' } }],
    '',
  ],
  [
    hermesFormat,
    '<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>',
    [rome],
    '',
  ],
  [
    hermesFormat,
    'I will.\n<function=plan>\n<parameter=code>\nif a < b:\n  [1]\n</parameter>\n<parameter=steps>\n["x"]\n</parameter>\n<parameter=quick>\nTrue\n</parameter>\n</function>\n</tool_call>',
    [{ name: 'plan', arguments: { code: 'if a < b:\n  [1]', steps: ['x'], quick: true } }],
    'I will.\n',
  ],
  [hermesFormat, '<tool_call><function=get_time></function></tool_call>', [time], ''],
  [llamaFormat, '{"name": "get_weather", "parameters": {"city": "Paris"}}', [paris], ''],
  [
    llamaFormat,
    '<|python_tag|>{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "get_time", "parameters": {}}',
    [paris, time],
    '',
  ],
  [llamaFormat, '<function=get_weather>{"city": "Paris"}</function>', [paris], ''],
  [llamaFormat, "[get_weather(city='Rome', days=2), get_time()]", [rome, time], ''],
  [
    llamaFormat,
    '[{"name": "get_weather", "parameters": {"city": "Paris"}}, {"name": "get_time"}]',
    [paris, time],
    '',
  ],
  [
    llamaFormat,
    'In JSON: {"name": "get_time", "parameters": {}}',
    [],
    'In JSON: {"name": "get_time", "parameters": {}}',
  ],
  [
    llamaFormat,
    '{"name": "Alice", "age": 3} is a person.',
    [],
    '{"name": "Alice", "age": 3} is a person.',
  ],
  [llamaFormat, '[1, 2] are numbers.', [], '[1, 2] are numbers.'],
  [
    mistralFormat,
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name": "get_weather", "arguments": {"city": "Rome", "days": 2}}]',
    [paris, rome],
    '',
  ],
  [
    mistralFormat,
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]get_time[ARGS]{}',
    [paris, time],
    '',
  ],
  [mistralFormat, 'Sure.[TOOL_CALLS]get_weather{"city": "Paris"}', [paris], 'Sure.'],
  [mistralFormat, '[TOOL_CALLS]plan[CALL_ID]a1b2c3d4e[ARGS]' + planJson, [plan], ''],
  [
    gemmaFormat,
    '```tool_code\nprint(get_weather(city="Paris"))\nget_time()\n```',
    [paris, time],
    '',
  ],
  [
    gemmaFormat,
    '```tool_code\ndefault_api.plan(steps=[\'a "b"\', 1, {"c": None}], options={"d": "}]"}, code="""x = 1\ny = "2\\"""", share=0.5, quick=True,)\n```',
    [plan],
    '',
  ],
  [
    gemmaFormat,
    'Here:\n' + fenced('{"name": "get_weather", "parameters": {"city": "Paris"}}'),
    [paris],
    'Here:\n',
  ],
  [gemmaFormat, '[get_weather(city="Paris")]', [paris], ''],
  [gemmaFormat, '```python\nprint("hello")\n```', [], '```python\nprint("hello")\n```'],
  [
    gemmaFormat,
    '<start_function_call>call:get_weather{city:<escape>Paris<escape>}<end_function_call><start_function_call>call:get_weather{city:<escape>Rome<escape>,days:2}<end_function_call>',
    [paris, rome],
    '',
  ],
  [
    gemmaFormat,
    '<|tool_call>call:plan{steps:[<|"|>a "b"<|"|>,1,{c:null}],options:{d:<|"|>}]<|"|>},code:<|"|>x = 1\ny = "2"<|"|>,share:0.5,quick:true}<tool_call|>',
    [plan],
    '',
  ],
  [gemmaFormat, '<|tool_call>call:get_time{}<tool_call|>', [time], ''],
  [
    deepseekFormat,
    `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n${fenced('{"city": "Paris"}')}<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n${fenced('{}')}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    [paris, time],
    '',
  ],
  [
    deepseekFormat,
    'Well.\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    [paris],
    'Well.\n\n',
  ],
  [
    deepseekFormat,
    `<｜tool▁call▁begin｜>function<｜tool▁sep｜>plan\n${fenced(planJson)}`,
    [plan],
    '',
  ],
  [
    phiFormat,
    '<|tool_call|>[{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]<|/tool_call|>',
    [paris],
    '',
  ],
  [
    phiFormat,
    'functools[{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}, {"name": "get_time", "arguments": {}}]',
    [paris, time],
    '',
  ],
  [phiFormat, '[{"name": "get_weather", "arguments": {"city": "Paris"}}]', [paris], ''],
  [
    functionaryFormat,
    '<function=get_weather>{"city": "Paris"}</function><function=get_time>{}</function>',
    [paris, time],
    '',
  ],
  [
    functionaryFormat,
    '>>>all\nOne moment.\n>>>get_weather\n{"city": "Paris"}\n>>>get_time\n{}',
    [paris, time],
    'One moment.\n',
  ],
  [
    genericFormat,
    '{"name": "get_weather", "arguments": {"city": "Paris"}}\n{"name": "get_time", "arguments": {}}',
    [paris, time],
    '',
  ],
  [
    genericFormat,
    'I call it:\n' + fenced('[{"name": "get_weather", "arguments": {"city": "Paris"}}]') + '\nSo.',
    [paris],
    'I call it:\nSo.',
  ],
  [
    genericFormat,
    '{"tool_calls": [{"id": "x1", "type": "function", "function": {"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}}]}',
    [paris],
    '',
  ],
  [genericFormat, '{"function_call": {"name": "get_time"}}', [time], ''],
  [genericFormat, '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>', [time], ''],
  [
    genericFormat,
    'A record:\n{"name": "Ann", "id": 7, "city": "Rome"}\n[1, {"a": 2}]\n' + fenced('{"x": 1}'),
    [],
    'A record:\n{"name": "Ann", "id": 7, "city": "Rome"}\n[1, {"a": 2}]\n' + fenced('{"x": 1}'),
  ],
  [genericFormat, 'Just text, with <tool and {braces}.', [], 'Just text, with <tool and {braces}.'],
] as const;

describe('the calls of every family', () => {
  it.each(answers)(
    '%#: are found, in one piece or letter by letter',
    (format, text, calls, rest) => {
      for (const pieces of [[text], [...text]]) {
        const found = split(format, pieces);
        expect(found).toMatchObject({ calls, text: rest, problems: [], raw: text });
        // Repaired or quoted JSON is streamed as the model wrote it.
        if (text.includes('a\nb') || text.includes('\\"city')) continue;
        const streamed = found.ids.map((id) => JSON.parse(found.streamed[id] ?? '') as unknown);
        expect(streamed).toEqual(calls.map((call) => call.arguments));
      }
    },
  );

  it('are the same wherever the answer is cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.constantFrom(...answers), sizes, ([format, text], cuts) => {
        expect(split(format, cut(text, cuts))).toEqual(split(format, [text]));
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it('of Functionary go on from what the prompt began', () => {
    const promptText = 'assistant\n\n>>>';
    const text = 'get_weather\n{"city": "Paris"}';
    expect(split(functionaryFormat, [...text], { promptText })).toMatchObject({
      calls: [paris],
      raw: text,
    });
    const said = split(functionaryFormat, ['all\nHello.'], { promptText });
    expect(said).toMatchObject({ calls: [], text: 'Hello.', raw: 'all\nHello.' });
  });

  it('have ids that no other call of the conversation has', () => {
    const text = '[TOOL_CALLS]get_time[CALL_ID]a1b2c3d4e[ARGS]{}'.repeat(2);
    expect(split(mistralFormat, [text]).ids).toEqual(['a1b2c3d4e', 'call00001']);
    const usedIds = ['call00000', 'a1b2c3d4e', 'call00003'];
    expect(split(mistralFormat, [text], { usedIds }).ids).toEqual(['call00004', 'call00005']);
  });
});

describe('what every family writes for a template that does not', () => {
  it.each(everyFormat)('is what it reads: $name', (format) => {
    const written = [paris, plan, time].map(({ name, arguments: given }) => ({
      name,
      json: JSON.stringify(given),
    }));
    expect(split(format, [writeCalls(format.form, written)])).toMatchObject({
      calls: [paris, plan, time],
      text: '',
      problems: [],
    });
  });
});

/** Format, what a model wrote, reason, part of the message. */
const broken = [
  [
    hermesFormat,
    '<tool_call>{"name": "get_weather", "arguments": {city: "Paris"}}</tool_call>',
    'malformed',
    /"get_weather" could not be made: its JSON cannot be parsed/u,
  ],
  [
    hermesFormat,
    'So:<tool_call>{"name": "get_weather", "arguments": {"city": "Pa',
    'incomplete',
    /ended in its middle/u,
  ],
  [
    hermesFormat,
    '<tool_call>\n{"name": "get_snow", "arguments": {}}\n</tool_call>',
    'unknown-tool',
    /"get_snow" could not be made: there is no tool/u,
  ],
  [
    hermesFormat,
    '<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>',
    'invalid-arguments',
    /the required "city" is missing/u,
  ],
  [
    hermesFormat,
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome", "days": 1.5}}</tool_call>',
    'invalid-arguments',
    /"days" must be of type integer/u,
  ],
  [
    hermesFormat,
    '<tool_call>{"name": "plan", "arguments": {"share": "all"}}</tool_call>',
    'invalid-arguments',
    /"share" must be of type number or null, but it is string/u,
  ],
  [
    hermesFormat,
    '<tool_call>{"name": "plan", "arguments": [1]}</tool_call>',
    'invalid-arguments',
    /no object/u,
  ],
  [hermesFormat, '<tool_call>nothing</tool_call>', 'malformed', /"\{" was expected, but "n" came/u],
  [hermesFormat, '<tool_call>{"arguments": {}}</tool_call>', 'malformed', /names no tool/u],
  [
    hermesFormat,
    `<tool_call>{"name": "plan", "arguments": {"steps": ${'['.repeat(200)}`,
    'malformed',
    /deeper than 64/u,
  ],
  [hermesFormat, '<tool_call>', 'incomplete', /ended/u],
  [hermesFormat, '<function=get_time>\n<parameter=x>\n1', 'incomplete', /ended/u],
  [llamaFormat, '<|python_tag|>print(1)', 'malformed', /expected/u],
  [llamaFormat, '{"name": "get_weather", "parameters": {"city": "Pa', 'incomplete', /ended/u],
  [llamaFormat, '[get_time(), get_snow()]', 'unknown-tool', /get_snow/u],
  [mistralFormat, '[TOOL_CALLS] none of them', 'malformed', /expected/u],
  [mistralFormat, '[TOOL_CALLS][ARGS]{}', 'malformed', /.*/u],
  [gemmaFormat, '```tool_code\nget_weather("Paris")\n```', 'malformed', /have no names/u],
  [gemmaFormat, '<start_function_call>call:get_weather{city:<escape>Par', 'incomplete', /ended/u],
  [
    gemmaFormat,
    '<|tool_call>call:get_weather{city:}<tool_call|>',
    'malformed',
    /value is missing/u,
  ],
  [deepseekFormat, '<｜tool▁calls▁begin｜>hm', 'incomplete', /ended/u],
  [
    phiFormat,
    '<|tool_call|>[{"name": "get_weather" "arguments": {}}]<|/tool_call|>',
    'malformed',
    /"," was expected/u,
  ],
  [
    functionaryFormat,
    '<function=get_weather>{"town": "Paris"}</function>',
    'invalid-arguments',
    /"city" is missing/u,
  ],
  [
    genericFormat,
    '{"name": "get_weather", "arguments": {"city": 1}}',
    'invalid-arguments',
    /must be of type string/u,
  ],
] as const;

describe('a call that cannot be made', () => {
  it.each(broken)('%#: comes back as text with what is wrong', (format, text, reason, message) => {
    for (const pieces of [[text], [...text]]) {
      const found = split(format, pieces);
      expect(found.problems).toHaveLength(1);
      expect(found.problems[0]?.reason).toBe(reason);
      expect(found.problems[0]?.message).toMatch(message);
      expect(found.raw).toBe(text);
      expect(found.text).toContain(found.problems[0]?.text);
      if (found.calls.length === 0) expect(found.text).toBe(text);
    }
  });

  it('does not stand in the way of the next one', () => {
    const text =
      '<tool_call>{"name": "get_snow"}</tool_call>\n<tool_call>{"name": "get_time"}</tool_call>';
    expect(split(hermesFormat, [text])).toMatchObject({
      calls: [time],
      text: '<tool_call>{"name": "get_snow"}</tool_call>\n',
      problems: [{ reason: 'unknown-tool', name: 'get_snow' }],
    });
    const list = '[TOOL_CALLS][{"name": "get_snow", "arguments": {}}, {"name": "get_time"}]';
    expect(split(mistralFormat, [list])).toMatchObject({
      calls: [time],
      text: '[TOOL_CALLS][{"name": "get_snow", "arguments": {}}',
      problems: [{ reason: 'unknown-tool' }],
    });
  });
});

describe('any text whatever', () => {
  const bits = [
    '<tool_call>',
    '</tool_call>',
    '<function=',
    '</function>',
    '<parameter=',
    '</parameter>',
    '>',
    '<|python_tag|>',
    '[TOOL_CALLS]',
    '[ARGS]',
    '[CALL_ID]',
    '```',
    'json\n',
    'tool_code\n',
    '>>>',
    '<｜tool▁calls▁begin｜>',
    '<｜tool▁call▁begin｜>',
    '<｜tool▁sep｜>',
    '<｜tool▁call▁end｜>',
    '<|tool_call|>',
    '<|tool_call>',
    '<tool_call|>',
    '<|"|>',
    '<escape>',
    '<start_function_call>',
    'call:',
    'functools[',
    'get_weather',
    'get_time',
    'print',
    '"name"',
    '"arguments"',
    '"get_time"',
    '"city"',
    ':',
    ',',
    ';',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '=',
    '"',
    "'",
    '\\',
    '\n',
    ' ',
    '1',
    'None',
    'ü',
    '👋',
    '{"name": "get_time", "arguments": {}}',
    '{"name": "get_weather", "arguments": {"city": "x"}}',
  ];
  const texts = fc
    .array(fc.constantFrom(...bits), { maxLength: 30 })
    .map((parts) => parts.join(''));
  const formats = fc.constantFrom(...everyFormat);
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 40 });

  it('is all accounted for, and split alike wherever it is cut', () => {
    fc.assert(
      fc.property(formats, texts, sizes, (format, text, cuts) => {
        const whole = split(format, [text]);
        expect(whole.raw).toBe(text);
        expect(split(format, cut(text, cuts))).toEqual(whole);
      }),
      { numRuns: 1500 },
    );
  }, 60_000);

  it.each([
    [hermesFormat, '<tool_call>{"name": "plan", "arguments": {"code": "'],
    [gemmaFormat, '<|tool_call>call:plan{code:<|"|>'],
    [genericFormat, 'text '],
  ] as const)('%#: is taken letter by letter at any length', (format, open) => {
    const text = open + 'word '.repeat(10_000);
    expect(split(format, [...text]).raw).toBe(text);
  });
});
