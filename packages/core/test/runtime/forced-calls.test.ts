import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, GenerationOptions, Model, ToolDefinition } from '../../src/index.js';
import { createFakeEngine, type FakeEngineOptions } from '../../src/testing/index.js';
import { qwenStyle } from '../chat/tools/templates.js';

let engine: Engine;

afterEach(() => engine.close());

async function open(options: FakeEngineOptions = {}): Promise<Model> {
  engine = createFakeEngine({ info: { chatTemplate: qwenStyle }, ...options });
  return engine.open('model.gguf', { contextTokens: 4096 });
}

const lamp: ToolDefinition = {
  type: 'function',
  function: {
    name: 'set_lamp',
    parameters: {
      type: 'object',
      properties: { room: { enum: ['kitchen', 'hall'] }, on: { type: 'boolean' } },
      required: ['room', 'on'],
    },
  },
};
const time: ToolDefinition = { type: 'function', function: { name: 'get_time' } };
const tools = [lamp, time];
const setLamp = { type: 'function', function: { name: 'set_lamp' } } as const;
const aLamp = {
  name: 'set_lamp',
  arguments: {
    room: expect.stringMatching(/^(kitchen|hall)$/) as string,
    on: expect.any(Boolean) as boolean,
  },
};
const messages = [{ role: 'user', content: 'Light, please.' }] as const;

describe('an answer that is to be a call', () => {
  it('is one of the named tool, and nothing else', async () => {
    const model = await open();
    const run = model.generate({ messages, tools, toolChoice: setLamp });
    const types = new Set<string>();
    for await (const event of run) types.add(event.type);
    expect([...types]).toEqual([
      'prefill',
      'tool-call-start',
      'tool-call-delta',
      'tool-call',
      'finish',
    ]);
    expect(await run).toMatchObject({
      text: '',
      toolCalls: [aLamp],
      toolCallProblems: [],
      stopReason: 'grammar-end',
    });
  });

  it('is one of any tool, or several where that is allowed', async () => {
    const model = await open();
    const counts = new Set<number>();
    const names = new Set<string>();
    for (let seed = 0; seed < 24; seed += 1) {
      const asked = { messages, tools, toolChoice: 'required', seed, temperature: 1 } as const;
      const one = await model.generate(asked);
      expect(one.toolCalls).toHaveLength(1);
      const some = await model.generate({ ...asked, maxToolCalls: 2 });
      expect([some.toolCallProblems, some.text]).toEqual([[], '']);
      counts.add(some.toolCalls.length);
      for (const { name } of [...one.toolCalls, ...some.toolCalls]) names.add(name);
    }
    expect([...counts].sort()).toEqual([1, 2]);
    expect([...names].sort()).toEqual(['get_time', 'set_lamp']);
  });

  it('is closed in the next prompt, and costs nothing twice', async () => {
    const model = await open();
    const session = await model.createSession({ defaults: { tools } });
    const first = await session.send('Light, please.', { toolChoice: setLamp });
    expect(first.toolCalls).toMatchObject([aLamp]);
    const { id } = first.toolCalls[0]!;
    // The mark that it begins with is of the prompt. The last token was not computed yet.
    const computed = first.usage.promptTokens + first.usage.completionTokens - 1;
    const second = await session.send(
      { role: 'tool', toolCallId: id, content: 'done' },
      { maxTokens: 8 },
    );
    expect(second.usage.cachedTokens).toBe(computed);
    const said = model.tokenizer.decode(first.tokens);
    const after = '}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\ndone';
    const rest = `${after}\n</tool_response><|im_end|>\n<|im_start|>assistant\n`;
    expect(said).toMatch(/^\{"name": "set_lamp", .*\}\}$/s);
    const tokensOf = (text: string) => model.tokenizer.encode(text, { parseSpecial: true }).length;
    expect(second.usage.promptTokens - second.usage.cachedTokens).toBe(tokensOf(rest));
    // And again: what was written stays in the prompt.
    const third = await session.send('And now?', { toolChoice: 'required' });
    expect(third.usage.cachedTokens).toBeGreaterThanOrEqual(second.usage.promptTokens);
    expect(third.toolCalls).toHaveLength(1);
  });

  it('is told of as text where it was cut, with the mark that it begins with', async () => {
    const model = await open();
    const asked = { messages, tools, toolChoice: setLamp, maxTokens: 12 } as const;
    const cut = await model.generate(asked);
    expect(cut).toMatchObject({
      text: '<tool_call>\n{"name": "se',
      toolCalls: [],
      toolCallProblems: [{ reason: 'incomplete' }],
      stopReason: 'max-tokens',
    });
    const session = await model.createSession({ defaults: { tools } });
    // A stop string is found in text, and this one stands in the prompt.
    const stopped = await session.send('a', {
      ...asked,
      messages: undefined,
      stop: 'tool_',
    } as never);
    expect([stopped.text, stopped.stopReason]).toEqual(['<', 'stop-string']);
    expect((await session.send('b', { toolChoice: setLamp })).toolCalls).toMatchObject([aLamp]);
  });

  it('closes a thought that the prompt has opened', async () => {
    const chatTemplate = `${qwenStyle}<think>\n`;
    const model = await open({ info: { chatTemplate } });
    const asked = { messages, tools, toolChoice: setLamp } as const;
    const result = await model.generate(asked);
    expect(result).toMatchObject({ reasoning: '', text: '', toolCalls: [aLamp] });
    const plain = model.encodeMessages(messages, { tools });
    const begun = model.tokenizer.encode('\n</think>\n\n<tool_call>\n', { parseSpecial: true });
    expect(result.usage.promptTokens).toBe(plain.length + begun.length);
    expect(begun.some((token) => token >= 256)).toBe(true);
  });

  it('can be asked for by a session’s defaults, and be left to a turn', async () => {
    const model = await open();
    const session = await model.createSession({
      defaults: { tools, toolChoice: 'required', maxToolCalls: 2, maxTokens: 200 },
    });
    expect((await session.send('a')).toolCalls.length).toBeGreaterThan(0);
    for (const toolChoice of ['auto', 'none'] as const) {
      expect((await session.send('b', { toolChoice, maxTokens: 4 })).stopReason).toBe('max-tokens');
    }
    const { cachedTokens } = (await session.send('c', { toolChoice: setLamp })).usage;
    expect(cachedTokens).toBeGreaterThan(0);
  });
});

describe('a call that cannot be forced is refused before anything runs', () => {
  it.each<[string, GenerationOptions, object]>([
    ['no tools', { toolChoice: 'required' }, { code: 'INVALID_ARGUMENT', key: 'toolChoice' }],
    [
      'a tool that there is not',
      { tools, toolChoice: { type: 'function', function: { name: 'fly' } } },
      { code: 'INVALID_ARGUMENT', key: 'toolChoice.function.name' },
    ],
    [
      'no name',
      { tools, toolChoice: { type: 'function' } as never },
      { code: 'INVALID_ARGUMENT', key: 'toolChoice.function.name' },
    ],
    [
      'no type',
      { tools, toolChoice: { function: { name: 'get_time' } } as never },
      { code: 'INVALID_ARGUMENT', key: 'toolChoice.type' },
    ],
    [
      'a word that is none',
      { tools, toolChoice: 'any' as never },
      { code: 'INVALID_ARGUMENT', key: 'toolChoice' },
    ],
    [
      'another form',
      { tools, toolChoice: 'required', grammar: 'root ::= "a"' },
      { code: 'INVALID_ARGUMENT', key: 'grammar' },
    ],
    [
      'too many',
      { tools, toolChoice: 'required', maxToolCalls: 65 },
      { code: 'INVALID_ARGUMENT', key: 'maxToolCalls' },
    ],
    [
      'a schema that cannot be followed',
      {
        tools: [
          {
            type: 'function',
            function: { name: 'odd', parameters: { properties: { a: { not: { type: 'null' } } } } },
          },
        ],
        toolChoice: 'required',
      },
      {
        code: 'SCHEMA_UNSUPPORTED',
        details: { tool: 'odd', keyword: 'not', path: '#/properties/a' },
      },
    ],
  ])('%s', async (_, options, error) => {
    const model = await open();
    expect(() => model.generate({ messages, ...options })).toThrow(expect.objectContaining(error));
  });

  it('by an engine without grammars, which leaves the choice to the model as ever', async () => {
    const model = await open({ capabilities: { grammar: false } });
    expect(() => model.generate({ messages, tools, toolChoice: 'required' })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        details: { engine: 'fake', capability: 'grammar' },
      }),
    );
    const { stopReason } = await model.generate({
      messages,
      tools,
      toolChoice: 'auto',
      maxTokens: 2,
    });
    expect(stopReason).toBe('max-tokens');
  });
});
