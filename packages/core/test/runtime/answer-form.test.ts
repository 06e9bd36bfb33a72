import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, GenerationOptions, Model } from '../../src/index.js';
import { createFakeEngine, type FakeEngineOptions } from '../../src/testing/index.js';

let engine: Engine;

afterEach(() => engine.close());

async function open(options: FakeEngineOptions = {}): Promise<Model> {
  engine = createFakeEngine(options);
  return engine.open('model.gguf');
}

const schema = {
  type: 'object',
  properties: { ok: { type: 'boolean' }, level: { enum: ['low', 'high'] } },
  required: ['ok', 'level'],
  additionalProperties: false,
};

describe('an answer of a stated form', () => {
  it('is valid by its schema, and comes parsed', async () => {
    const model = await open();
    const result = await model.generate({ prompt: 'a', schema });
    expect(result.stopReason).toBe('grammar-end');
    expect(result.json).toEqual(JSON.parse(result.text));
    expect(result.json).toEqual({
      ok: expect.any(Boolean) as boolean,
      level: expect.stringMatching(/^(low|high)$/) as string,
    });
  });

  it('is not parsed where it was cut off, even where that is JSON by chance', async () => {
    const model = await open();
    const options = { prompt: 'a', schema: { type: 'integer', minimum: 100, maximum: 999 } };
    const cut = await model.generate({ ...options, maxTokens: 2 });
    expect([cut.stopReason, cut.text, cut.json]).toEqual(['max-tokens', cut.text, undefined]);
    expect(cut.text).toMatch(/^\d\d$/);
    const whole = await model.generate(options);
    expect(whole.json).toBe(Number(whole.text));
    const run = model.generate(options);
    expect(run.partial.json).toBeUndefined();
    await run;
  });

  it('matches its regular expression', async () => {
    const model = await open();
    const { text, json } = await model.generate({ prompt: 'a', regex: /^[xyz]{3}-\d{1,3};$/ });
    expect(text).toMatch(/^[xyz]{3}-\d{1,3};$/);
    expect(json).toBeUndefined();
  });

  it('is an answer even where the prompt has opened a thought', async () => {
    const info = { chatTemplate: "{{ messages[0]['content'] }}<think>\n" };
    const model = await open({ info });
    const messages = [{ role: 'user', content: 'a' }] as const;
    const result = await model.generate({ messages, schema: { const: { a: 1 } } });
    expect([result.json, result.reasoning]).toEqual([{ a: 1 }, '']);
  });

  it('takes the place of the session’s', async () => {
    const model = await open();
    const session = await model.createSession({ defaults: { schema: { const: 1 } } });
    expect((await session.send('a')).json).toBe(1);
    expect((await session.send('a', { regex: 'no' })).text).toBe('no');
    expect((await session.send('a', { schema: { const: 2 } })).json).toBe(2);
  });
});

describe('a form that cannot be is refused before anything runs', () => {
  it.each<[GenerationOptions, object]>([
    [
      { schema, regex: 'a' },
      { code: 'INVALID_ARGUMENT', key: 'regex' },
    ],
    [
      { schema, tools: [{ type: 'function', function: { name: 'f' } }] as never },
      { code: 'INVALID_ARGUMENT', key: 'schema' },
    ],
    [{ schema: 'a' as never }, { code: 'INVALID_ARGUMENT', key: 'schema' }],
    [{ regex: '(?=a)' }, { code: 'INVALID_ARGUMENT', key: 'regex' }],
    [{ schema: { type: 'x' } }, { code: 'INVALID_ARGUMENT', key: 'schema#/type' }],
    [
      { schema: { items: { uniqueItems: true } } },
      { code: 'SCHEMA_UNSUPPORTED', details: { keyword: 'uniqueItems', path: '#/items' } },
    ],
  ])('%o', async (options, error) => {
    const model = await open();
    const call = async () => model.generate({ prompt: 'a', ...options });
    await expect(call()).rejects.toMatchObject(error);
  });

  it('by an engine that follows no grammar', async () => {
    const model = await open({ capabilities: { grammar: false } });
    const call = async () => model.generate({ prompt: 'a', schema });
    await expect(call()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      details: { capability: 'grammar' },
    });
  });
});
