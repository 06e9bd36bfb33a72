import type { Engine, Message, Model, ToolDefinition } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { defaultModelPath } from './support/models.js';

const tools: readonly ToolDefinition[] = [
  {
    type: 'function',
    function: {
      name: 'get_forecast',
      description: 'Tells what the sky will do.',
      parameters: {
        type: 'object',
        properties: {
          city: { type: 'string', minLength: 1, maxLength: 40 },
          unit: { enum: ['celsius', 'fahrenheit'] },
        },
        required: ['city', 'unit'],
        additionalProperties: false,
      },
    },
  },
  { type: 'function', function: { name: 'get_time', description: 'Tells the time.' } },
];

/** As Hermes and Qwen have it, in the words of this model. */
const hermesTemplate = `{%- if tools %}{{- '<|im_start|>system\\nTools:' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\nCall one with <tool_call>.<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
{%- endfor %}{{- '<|im_end|>\\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;

describe.each([
  ['in the form that its template is told of', undefined],
  ['behind a mark that is put into the prompt', hermesTemplate],
])('SmolLM2 made to call a tool, %s', (_, chatTemplate) => {
  let engine: Engine;
  let model: Model;

  beforeAll(async () => {
    engine = await createLlamaCppEngine();
    const options = { contextTokens: 1024, sequences: 1, threads: 1 };
    model = await engine.open(defaultModelPath, {
      ...options,
      ...(chatTemplate && { chatTemplate }),
    });
  });
  afterAll(() => engine.close());

  it('calls it with valid arguments, and goes on from the result without computing again', async () => {
    const session = await model.createSession({ defaults: { tools, temperature: 0 } });
    const first = await session.send('Do I need an umbrella in Paris?', {
      toolChoice: { type: 'function', function: { name: 'get_forecast' } },
    });
    expect([first.text, first.toolCallProblems]).toEqual(['', []]);
    expect(first.toolCalls).toEqual([
      {
        id: 'call00000',
        name: 'get_forecast',
        arguments: {
          city: expect.stringMatching(/^.{1,40}$/su) as string,
          unit: expect.stringMatching(/^(celsius|fahrenheit)$/u) as string,
        },
      },
    ]);
    const result: Message = { role: 'tool', toolCallId: 'call00000', content: '12 °C, rain' };
    const second = await session.send(result, { maxTokens: 8 });
    const computed = first.usage.promptTokens + first.usage.completionTokens - 1;
    expect(second.usage.cachedTokens).toBe(computed);
    expect(second.usage.completionTokens).toBeGreaterThan(0);
    // And once more, of any tool.
    const third = await session.send('What time is it?', { toolChoice: 'required' });
    expect(third.usage.cachedTokens).toBeGreaterThanOrEqual(computed);
    expect(third.toolCalls).toHaveLength(1);
    expect(['get_forecast', 'get_time']).toContain(third.toolCalls[0]?.name);
  });
});
