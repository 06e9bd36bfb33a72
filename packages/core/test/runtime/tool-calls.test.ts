import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import type { GenerationOptions } from '../../src/engine/generation-options.js';
import { createFakeEngine, fakeFiles, scriptedReply } from '../../src/testing/index.js';
import { tools } from '../chat/tools/samples.js';
import { llamaStyle, qwenStyle } from '../chat/tools/templates.js';
import { temporaryFolder } from '../temporary-folder.js';

const engines: Engine[] = [];

/** A model that says these texts, one a turn. */
async function openModel(answers: readonly string[], chatTemplate = qwenStyle): Promise<Model> {
  let turn = 0;
  let reply = scriptedReply('');
  let length = Infinity;
  const engine = createFakeEngine({
    reply: (tokens) => {
      // A cache that has grown by more than a token is another turn's.
      if (tokens.length > length + 1 || length === Infinity) {
        reply = scriptedReply(answers[turn++] ?? '', tokens.length);
      }
      length = tokens.length;
      return reply(tokens);
    },
    info: { chatTemplate },
  });
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens: 4096, sequences: 2 });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>';
const paris = { id: 'call00000', name: 'get_weather', arguments: { city: 'Paris' } };

describe('a model with tools', () => {
  it('gives its calls as events and in the result, parallel ones in order', async () => {
    const second = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>';
    const model = await openModel([`Let me look.\n${call}\n${second}`]);
    const session = await model.createSession({ defaults: { tools } });
    const run = session.send('Weather?');
    const events: unknown[] = [];
    let text = '';
    for await (const event of run) {
      if (event.type === 'text') text += event.text;
      else if (event.type === 'tool-call-delta') {
        const last = events.at(-1) as { type: string; text?: string };
        if (last.type === 'tool-call-delta') last.text = `${last.text ?? ''}${event.text}`;
        else events.push({ ...event });
      } else if (event.type !== 'prefill' && event.type !== 'finish') events.push(event);
    }
    const time = { id: 'call00001', name: 'get_time', arguments: {} };
    expect(events).toEqual([
      { type: 'tool-call-start', id: 'call00000', name: 'get_weather' },
      { type: 'tool-call-delta', id: 'call00000', text: '{"city": "Paris"}' },
      { type: 'tool-call', call: paris },
      { type: 'tool-call-start', id: 'call00001', name: 'get_time' },
      { type: 'tool-call-delta', id: 'call00001', text: '{}' },
      { type: 'tool-call', call: time },
    ]);
    const result = await run;
    expect(result).toMatchObject({
      text: 'Let me look.\n',
      toolCalls: [paris, time],
      toolCallProblems: [],
      stopReason: 'end-token',
    });
    expect(text).toBe(result.text);
    expect(session.messages.at(-1)).toEqual({
      role: 'assistant',
      content: 'Let me look.',
      toolCalls: [paris, time],
    });
  });

  it.each([
    ['as the template writes it', call],
    ['otherwise than the template does', call.replaceAll(': ', ':').replaceAll('\n', '  ')],
    ['after it has thought', `<think>Hm.</think>\n\n${call}`],
  ])('computes nothing twice when results come, with a call written %s', async (_, written) => {
    const model = await openModel([written, 'It is sunny.', 'Yes.']);
    const session = await model.createSession({ defaults: { tools } });
    const first = await session.send('Weather?');
    expect(first.toolCalls).toEqual([paris]);
    const result = { role: 'tool', toolCallId: 'call00000', content: '21 °C' } as const;
    const second = await session.send(result);
    const said = first.usage.promptTokens + first.usage.completionTokens - 1;
    expect(second.usage.cachedTokens).toBe(said);
    expect(second.text).toBe('It is sunny.');
    const third = await session.send('Sure?');
    const all = second.usage.promptTokens + second.usage.completionTokens - 1;
    if (written.startsWith('<think>')) {
      // What was thought before the last question is no part of the prompt.
      expect(third.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens);
    } else expect(third.usage.cachedTokens).toBe(all);
  });

  it('takes the results of several calls at once, and numbers calls through the turns', async () => {
    const model = await openModel([`${call}${call}`, call]);
    const session = await model.createSession({ defaults: { tools } });
    const { toolCalls } = await session.send('Weather?');
    const results = toolCalls.map(({ id }) => ({
      role: 'tool' as const,
      toolCallId: id,
      content: `21 °C for ${id}`,
    }));
    const next = await session.send(results);
    expect(session.messages.map(({ role }) => role).join(' ')).toBe(
      'user assistant tool tool assistant',
    );
    expect(next.toolCalls).toEqual([{ ...paris, id: 'call00002' }]);
  });

  it('gives a broken call back as text, and says what is wrong', async () => {
    const wrong = call.replace('city', 'town');
    const model = await openModel([`So: ${wrong}`]);
    const session = await model.createSession({ defaults: { tools } });
    const run = session.send('Weather?');
    const types = new Set<string>();
    for await (const event of run) types.add(event.type);
    expect(types).toContain('tool-call-problem');
    expect(await run).toMatchObject({
      text: `So: ${wrong}`,
      toolCalls: [],
      toolCallProblems: [{ reason: 'invalid-arguments', name: 'get_weather' }],
    });
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: `So: ${wrong}` });
  });

  it.each([{}, { tools, toolChoice: 'none' }] as const)(
    'is not asked for calls, and what it writes is text, with %j',
    async (options: GenerationOptions) => {
      const model = await openModel([call]);
      const messages = [{ role: 'user', content: 'Weather?' }] as const;
      const result = await model.generate({ messages, ...options });
      expect(result).toMatchObject({ text: call, toolCalls: [], toolCallProblems: [] });
      expect(result.usage.promptTokens).toBe(model.encodeMessages(messages).length);
      expect(model.encodeMessages(messages, { tools }).length).toBeGreaterThan(
        result.usage.promptTokens,
      );
    },
  );

  it('finds stop strings in text alone, and goes on from there', async () => {
    const model = await openModel([`One.\n${call}`]);
    const inCall = await model.generate({
      messages: [{ role: 'user', content: 'Weather?' }],
      tools,
      stop: ['Paris', 'city'],
    });
    expect(inCall).toMatchObject({ text: 'One.\n', toolCalls: [paris], stopReason: 'end-token' });
    const other = await openModel([`${call}\nOne. Stop Two.`]);
    const session = await other.createSession({ defaults: { tools } });
    const after = await session.send('And?', { stop: ' Stop' });
    expect(after).toMatchObject({ text: 'One.', toolCalls: [paris], stopString: ' Stop' });
    const next = await session.send('On.');
    const kept = after.usage.promptTokens + `${call}\nOne.`.length;
    expect(next.usage.cachedTokens).toBe(kept);
  });

  it('keeps what it wrote of a call when it is broken off', async () => {
    const model = await openModel([call]);
    const session = await model.createSession({ defaults: { tools } });
    const run = session.send('Weather?');
    for await (const event of run) if (event.type === 'tool-call-delta') break;
    const half = await run;
    expect(half).toMatchObject({
      stopReason: 'aborted',
      toolCalls: [],
      toolCallProblems: [{ reason: 'incomplete', name: 'get_weather' }],
    });
    expect(call.startsWith(half.text)).toBe(true);
    expect(half.text).toContain('"arguments": {');
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: half.text });
  });

  it('keeps what it wrote of a call when its signal aborts it, too', async () => {
    const model = await openModel([call]);
    const abort = new AbortController();
    const messages = [{ role: 'user', content: 'Weather?' }] as const;
    const run = model.generate({ messages, tools, signal: abort.signal });
    const reading = (async () => {
      for await (const event of run) if (event.type === 'tool-call-delta') abort.abort('enough');
    })();
    await expect(reading).rejects.toBe('enough');
    await expect(run).rejects.toBe('enough');
    expect(run.partial).toMatchObject({
      stopReason: 'aborted',
      toolCallProblems: [{ reason: 'incomplete', name: 'get_weather' }],
    });
    expect(call.startsWith(run.partial.text)).toBe(true);
    expect(run.partial.text).not.toBe('');
  });

  it('ends a call that maxTokens cuts off as text', async () => {
    const model = await openModel([call]);
    const result = await model.generate({
      messages: [{ role: 'user', content: 'Weather?' }],
      tools,
      maxTokens: 30,
    });
    expect(result).toMatchObject({
      text: call.slice(0, 30),
      toolCallProblems: [{ reason: 'incomplete' }],
      stopReason: 'max-tokens',
    });
  });

  it('keeps its calls in a saved session', async () => {
    const path = join(temporaryFolder(), 'calls.session');
    const model = await openModel([call, 'Sunny.']);
    const session = await model.createSession({ defaults: { tools } });
    await session.send('Weather?');
    await session.save(path);
    const restored = await model.restoreSession(path, { defaults: { tools } });
    expect(restored.messages).toEqual(session.messages);
    const cached = restored.restored?.cachedTokens ?? 0;
    const result = { role: 'tool', toolCallId: 'call00000', content: '21 °C' } as const;
    const next = await restored.send(result);
    expect(next).toMatchObject({ text: 'Sunny.', usage: { cachedTokens: cached } });
  });

  it('of another family is read in its own way', async () => {
    const model = await openModel(
      ['{"name": "get_weather", "parameters": {"city": "Paris"}}'],
      llamaStyle,
    );
    const messages = [{ role: 'user', content: 'Weather?' }] as const;
    const result = await model.generate({ messages, tools });
    expect(result).toMatchObject({ text: '', toolCalls: [paris] });
  });
});

describe('tools that are given wrongly', () => {
  const send = async (options: object) => {
    const model = await openModel(['']);
    return model.generate({ messages: [{ role: 'user', content: 'Hi' }], ...options });
  };
  const named = (name: unknown, more: object = {}) => [
    { type: 'function', function: { name, ...more } },
  ];
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;

  it.each([
    [{ tools: 'all' }, 'tools'],
    [{ tools: [{ name: 'get_time' }] }, 'tools[0].name'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function.name'],
    [{ tools: named('') }, 'tools[0].function.name'],
    [{ tools: named('<|im_end|>') }, 'tools[0].function.name'],
    [{ tools: [...named('a'), ...named('a')] }, 'tools[1].function.name'],
    [{ tools: named('a', { parameters: [] }) }, 'tools[0].function.parameters'],
    [{ tools: named('a', { parameters: { x: 1n } }) }, 'tools[0].function.parameters.x'],
    [{ toolChoice: 'maybe' }, 'toolChoice'],
    [{ messages: [{ role: 'user', content: '', toolCalls: [] }] }, 'messages[0].toolCalls'],
    [{ messages: [{ role: 'user', content: '', toolCalls: [paris] }] }, 'messages[0].toolCalls'],
    [{ messages: [{ role: 'user', content: '', toolCallId: 'a' }] }, 'messages[0].toolCallId'],
    [
      { messages: [{ role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'b' }] }] },
      'messages[0].toolCalls[0].arguments',
    ],
  ])('%#: are refused by their key', async (options, key) => {
    await expect(send(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', key });
  });

  it('are refused where they hold themselves, or where no template takes them', async () => {
    await expect(send({ tools: named('a', { parameters: circle }) })).rejects.toThrow(/itself/u);
    const model = await openModel(['']);
    expect(() => model.generate({ prompt: 'Hi', tools })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'tools' }),
    );
  });
});
