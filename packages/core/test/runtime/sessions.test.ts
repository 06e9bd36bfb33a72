import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import {
  createFakeEngine,
  type FakeEngineOptions,
  fakeFiles,
  scriptedReply,
} from '../../src/testing/index.js';

let engine: Engine | undefined;

async function openFake(options: FakeEngineOptions = {}, sequences = 2): Promise<Model> {
  engine = createFakeEngine(options);
  return engine.open(fakeFiles, { contextTokens: 256, sequences });
}

afterEach(async () => {
  await engine?.close();
});

describe('a run', () => {
  it('splits reasoning from the answer and applies stop strings to the answer alone', async () => {
    const model = await openFake({
      reply: scriptedReply('<think>not STOP here</think>\n\nYes. STOP no'),
    });
    const session = await model.createSession();
    const result = await session.send('Well?', { stop: 'STOP' });
    expect(result).toMatchObject({
      reasoning: 'not STOP here',
      text: 'Yes. ',
      stopReason: 'stop-string',
      stopString: 'STOP',
    });
  });

  it('leaves the marks in the text with reasoning: keep', async () => {
    const model = await openFake({ reply: scriptedReply('<think>Hm.</think>Yes') });
    const session = await model.createSession();
    const result = await session.send('Well?', { reasoning: 'keep' });
    expect(result).toMatchObject({ reasoning: '', text: '<think>Hm.</think>Yes' });
  });

  it('goes on after a stop string from the tokens before it', async () => {
    const model = await openFake({ reply: scriptedReply('One two three') });
    const session = await model.createSession();
    const first = await session.send('Count', { stop: ' two' });
    expect(first.text).toBe('One');
    const second = await session.send('On', { stop: ' two' });
    expect(second.usage.cachedTokens).toBe(first.usage.promptTokens + 'One'.length);
  });

  it('assembles characters whose bytes are spread over tokens', async () => {
    const model = await openFake({ reply: scriptedReply('Grüße 👋') });
    const session = await model.createSession();
    const pieces: string[] = [];
    for await (const piece of session.send('Hallo').textStream()) pieces.push(piece);
    expect(pieces).toEqual([...'Grüße 👋']);
  });

  it('can be awaited and read at once, and read only once', async () => {
    const model = await openFake({ reply: scriptedReply('Yes') });
    const run = (await model.createSession()).send('Well?');
    const awaited = Promise.resolve(run);
    let text = '';
    for await (const piece of run.textStream()) text += piece;
    expect((await awaited).text).toBe(text);
    expect(() => run[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'BUSY' }));
  });

  it('does nothing until it is pulled', async () => {
    const model = await openFake();
    const session = await model.createSession();
    session.send('Never read');
    expect(session.messages).toEqual([]);
    const result = await session.send('Read', { maxTokens: 2 });
    expect(result.usage.completionTokens).toBe(2);
  });

  it('is freed by its signal even when its reader has gone to sleep', async () => {
    const model = await openFake({}, 1);
    const abort = new AbortController();
    const run = model.generate({ prompt: 'a', signal: abort.signal });
    await run[Symbol.asyncIterator]().next();
    abort.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
    expect((await model.generate({ prompt: 'b', maxTokens: 1 })).usage.completionTokens).toBe(1);
  });

  it('ends with context-full when there is no room for another token', async () => {
    const model = await openFake();
    const result = await model.generate({ prompt: 'abc' });
    expect(result.stopReason).toBe('context-full');
    expect(result.usage.completionTokens).toBe(model.contextTokens - 3 + 1);
  });
});

describe('stateless generations', () => {
  it('wait for a sequence when all are in use', async () => {
    const model = await openFake({}, 2);
    const results = await Promise.all(
      Array.from({ length: 7 }, (_, index) => model.generate({ prompt: `${index}`, maxTokens: 3 })),
    );
    expect(results.map((result) => result.usage.completionTokens)).toEqual(Array(7).fill(3));
  });

  it('leave the cache of another prompt alone while there is room', async () => {
    const model = await openFake({}, 2);
    await model.generate({ prompt: 'first prompt', maxTokens: 1 });
    await model.generate({ prompt: 'second prompt', maxTokens: 1 });
    const again = await model.generate({ prompt: 'first prompt!', maxTokens: 1 });
    expect(again.usage.cachedTokens).toBe('first prompt'.length);
  });

  it('drop old caches to make room in a shared pool, and say when sessions hold too much', async () => {
    const model = await openFake({}, 3);
    const fill = 'x'.repeat(150);
    await model.generate({ prompt: fill, maxTokens: 1 });
    const session = await model.createSession();
    await session.send(fill, { maxTokens: 1 });
    const error = await Promise.resolve(model.generate({ prompt: `y${fill}`, maxTokens: 1 })).catch(
      (reason: unknown) => reason,
    );
    expect(MobillmError.is(error, 'CONTEXT_FULL')).toBe(true);
    await session.close();
    await model.generate({ prompt: `y${fill}`, maxTokens: 1 });
  });
});

describe('opening', () => {
  it('takes the largest context that fits the memory, and names it when it refuses', async () => {
    engine = createFakeEngine({ bytesPerToken: 2 ** 44 });
    const error = await engine.open(fakeFiles).catch((reason: unknown) => reason);
    expect(MobillmError.is(error, 'OUT_OF_MEMORY')).toBe(true);
    expect((error as MobillmError).details).toMatchObject({ contextTokens: 4096 });
  });

  it('refuses a chat template that fails when it is used, naming the roles', async () => {
    engine = createFakeEngine();
    const model = await engine.open(fakeFiles, {
      contextTokens: 64,
      chatTemplate: '{{ raise_exception("no system messages") }}',
    });
    const session = await model.createSession({ system: 'x' });
    await expect(session.send('Hi')).rejects.toMatchObject({
      code: 'TEMPLATE_FAILED',
      details: { roles: ['system', 'user'] },
    });
    expect(session.messages).toHaveLength(1);
  });

  it('says UNSUPPORTED for a sampling setting that the engine lacks', async () => {
    const model = await openFake({ capabilities: { sampling: ['temperature'] } });
    expect(() => model.generate({ prompt: 'a', topK: 5 })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        details: { engine: 'fake', capability: 'topK' },
      }),
    );
    expect(() => model.generate({ prompt: 'a', topK: 0 })).not.toThrow();
  });

  it('refuses messages that are none', async () => {
    const model = await openFake();
    expect(() => model.generate({ messages: [] })).toThrow(
      expect.objectContaining({ key: 'messages' }),
    );
    expect(() => model.generate({ messages: [{ role: 'robot', content: '' } as never] })).toThrow(
      expect.objectContaining({ key: 'messages[0].role' }),
    );
    await expect(
      model.generate({ messages: [{ role: 'user', content: '\uD800' }] }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
