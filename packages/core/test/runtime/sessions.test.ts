import { afterEach, describe, expect, it } from 'vitest';
import type { EngineDriver, ModelDriver } from '../../src/engine/driver.js';
import type { Engine, Model } from '../../src/engine/engine.js';
import type { GenerationEvent } from '../../src/stream/generation-event.js';
import { createEngine } from '../../src/runtime/create-engine.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import {
  createFakeDriver,
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

async function readOn(reader: AsyncIterator<GenerationEvent, unknown>): Promise<void> {
  while (!(await reader.next()).done);
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

  it('has freed its place by the time its abort is known', async () => {
    const model = await openFake({}, 1);
    const session = await model.createSession();
    for (let round = 0; round < 10; round++) {
      const abort = new AbortController();
      const run = session.send('Tell me', { signal: abort.signal });
      const reading = (async () => {
        for await (const event of run) if (event.type === 'text') abort.abort(new Error('stop'));
      })();
      await expect(reading).rejects.toThrow('stop');
      await expect(run).rejects.toThrow('stop');
      await session.reset();
    }
  });

  it('is given up by a reader that leaves before it reads', async () => {
    const model = await openFake();
    const run = model.generate({ prompt: 'a' });
    await run[Symbol.asyncIterator]().return?.();
    expect(await run).toMatchObject({ text: '', stopReason: 'aborted' });
  });

  it('runs for whoever awaits it, even if an iterator was made and never used', async () => {
    const model = await openFake();
    const run = model.generate({ prompt: 'a', maxTokens: 2 });
    const unused = run[Symbol.asyncIterator]();
    expect((await run).usage.completionTokens).toBe(2);
    await expect(unused.next()).rejects.toMatchObject({ code: 'BUSY' });
  });

  it('counts the tokens up to a stop string and none that came after', async () => {
    const model = await openFake({ reply: scriptedReply('One two three four five') });
    const count = async (slow: boolean) => {
      const session = await model.createSession();
      const run = session.send('Count', { stop: ' two' });
      for await (const event of run) {
        if (slow && event.type === 'text') await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await session.close();
      return (await run).tokens.length;
    };
    expect(await count(false)).toBe('One two'.length);
    expect(await count(true)).toBe('One two'.length);
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

  it('are never cut short by what others have cached', async () => {
    const model = await openFake({}, 3);
    const alone = await model.generate({ prompt: 'alone', maxTokens: 200, temperature: 0 });
    await model.generate({ prompt: 'x'.repeat(200), maxTokens: 1 });
    const session = await model.createSession();
    await session.send('y'.repeat(100), { maxTokens: 1 });
    const beside = await model.generate({ prompt: 'alone', maxTokens: 200, temperature: 0 });
    expect(beside.tokens).toEqual(alone.tokens);
    expect(beside.stopReason).toBe('max-tokens');
    // The session's cache was given up for it, and is computed again when it is needed.
    expect((await session.send('z', { maxTokens: 1 })).usage.cachedTokens).toBe(0);
  });

  it('all end as they would alone when together they need more than the pool', async () => {
    const model = await openFake({}, 4);
    const options = { maxTokens: 90, temperature: 0 } as const;
    const prompts = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(120));
    const alone = [];
    for (const prompt of prompts) alone.push(await model.generate({ prompt, ...options }));
    const together = await Promise.all(
      prompts.map((prompt) => model.generate({ prompt, ...options })),
    );
    expect(together.map((run) => run.tokens)).toEqual(alone.map((run) => run.tokens));
    expect(together.map((run) => run.stopReason)).toEqual(Array(5).fill('max-tokens'));
  });

  it.each([
    ['at its beginning', 90, 1],
    ['in the middle of its answer', 90, 3],
    ['before its end', 3, 4],
  ])('need not wait for one that nobody reads %s', async (_, maxTokens, events) => {
    const model = await openFake({}, 3);
    const options = { maxTokens, temperature: 0 } as const;
    const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(140)) as [
      string,
      string,
      string,
    ];
    const alone = await model.generate({ prompt: a, ...options });
    const run = model.generate({ prompt: a, ...options });
    const reader = run[Symbol.asyncIterator]();
    const read: GenerationEvent['type'][] = [];
    while (read.length < events) {
      const step = await reader.next();
      if (!step.done) read.push(step.value.type);
    }
    expect(read.at(-1)).toBe(events === 1 ? 'prefill' : 'text');

    const others = [b, c].map((prompt) => model.generate({ prompt, ...options }));
    for (const { stopReason } of await Promise.all(others)) expect(stopReason).toBe('max-tokens');
    // It goes on from the last token that was read.
    await readOn(reader);
    const { tokens, text, usage, stopReason } = await run;
    expect({ tokens, text, stopReason }).toEqual({
      tokens: alone.tokens,
      text: alone.text,
      stopReason: 'max-tokens',
    });
    expect(usage.completionTokens).toBe(alone.usage.completionTokens);
  });

  it('end when all of them are read one after another', async () => {
    const model = await openFake({}, 8);
    const options = { maxTokens: 20, temperature: 0 } as const;
    const runs = Array.from({ length: 8 }, (_, index) =>
      model.generate({ prompt: String(index).repeat(120), ...options }),
    );
    const readers = runs.map((run) => run[Symbol.asyncIterator]());
    const firsts = readers.map((reader) => reader.next());
    for (const [index, reader] of readers.entries()) {
      await firsts[index];
      await readOn(reader);
    }
    for (const run of runs) expect((await run).usage.completionTokens).toBe(20);
  }, 20_000);

  it('are refused at once when sessions hold every sequence', async () => {
    const model = await openFake({}, 1);
    const session = await model.createSession();
    await expect(model.generate({ prompt: 'a' })).rejects.toMatchObject({ code: 'BUSY' });
    const closing = session.close();
    const next = await model.createSession();
    await closing;
    await next.close();
  });

  it('may be many on one signal, of which Node does not warn', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    engine = createFakeEngine({ capabilities: { maxSequences: 20 } });
    const model = await engine.open(fakeFiles, { contextTokens: 4096, sequences: 20 });
    const controller = new AbortController();
    const options = { prompt: 'a', maxTokens: 1000, signal: controller.signal };
    const runs = Array.from({ length: 20 }, () => model.generate(options));
    const readers = runs.map((run) => run[Symbol.asyncIterator]());
    for (const reader of readers) await reader.next();
    const reason = new Error('enough');
    controller.abort(reason);
    for (const run of runs) await expect(run).rejects.toBe(reason);
    const { samples } = await model.generateSamples({ prompt: 'a', n: 20, maxTokens: 2 });
    expect(samples).toHaveLength(20);
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it('wait on when one that waited before them gives up', async () => {
    const model = await openFake({}, 1);
    const first = model.generate({ prompt: 'a', maxTokens: 20 })[Symbol.asyncIterator]();
    await first.next();
    const abort = new AbortController();
    const second = Promise.resolve(model.generate({ prompt: 'b', signal: abort.signal }));
    const third = Promise.resolve(model.generate({ prompt: 'c', maxTokens: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    await first.return?.();
    abort.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    expect((await third).usage.completionTokens).toBe(1);
  });
});

describe('wrong calls', () => {
  it.each([undefined, null, 'a', 3, ['a']])(
    'to generateSamples with %j say so',
    async (options) => {
      const model = await openFake();
      expect(() => model.generateSamples(options as never)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'INVALID_ARGUMENT', key: 'options' }),
      );
    },
  );

  it('are biases that forbid every token', async () => {
    const model = await openFake();
    const every = (bias: number) =>
      Object.fromEntries(
        Array.from({ length: model.tokenizer.vocabularySize }, (_, token) => [token, bias]),
      );
    for (const bias of [-Infinity, -1e300]) {
      expect(() => model.generate({ prompt: 'a', logitBias: every(bias) })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'logitBias' }),
      );
    }
    // One that is left is taken.
    const asked = { prompt: 'a', maxTokens: 1, temperature: 0 };
    const { tokens } = await model.generate(asked);
    const only = { ...every(-Infinity), [tokens[0]!]: 0 };
    expect((await model.generate({ ...asked, logitBias: only })).tokens).toEqual(tokens);
  });
});

describe('closing', () => {
  it('frees the weights even when a sequence fails to close', async () => {
    const driver = createFakeDriver();
    let closed = 0;
    const failing: EngineDriver = {
      ...driver,
      async open(files, options) {
        const model = await driver.open(files, options);
        return Object.assign(Object.create(model) as ModelDriver, {
          tokenizer: model.tokenizer,
          info: model.info,
          contextTokens: model.contextTokens,
          kvPoolTokens: model.kvPoolTokens,
          placement: () => model.placement(),
          createSequence: async () =>
            Object.assign(await model.createSequence(), {
              close: () => Promise.reject(new Error('stuck')),
            }),
          close: () => {
            closed++;
            return model.close();
          },
        });
      },
    };
    const broken = createEngine(failing);
    const model = await broken.open(fakeFiles, { contextTokens: 64 });
    await model.createSession();
    await expect(broken.close()).rejects.toThrow('stuck');
    expect(closed).toBe(1);
  });

  it('an engine while it opens a model leaves none behind', async () => {
    const driver = createFakeDriver();
    let closed = 0;
    const late = createEngine({
      ...driver,
      // A driver that does not look at its signal any more once it has loaded.
      async open(files, { signal: _ignored, ...options }) {
        const model = await driver.open(files, options);
        const close = model.close.bind(model);
        model.close = () => {
          closed++;
          return close();
        };
        return model;
      },
    });
    const opening = late.open(fakeFiles, {
      contextTokens: 64,
      onProgress: () => void late.close(),
    });
    await expect(opening).rejects.toMatchObject({ code: 'CLOSED' });
    await late.close();
    expect(closed).toBe(1);
  });
});

describe('opening', () => {
  it.each([
    ['nothing', null, 'files'],
    ['a path with a zero byte', 'model\0.gguf', 'files'],
    [
      'such a path in a list',
      { ...fakeFiles, files: [{ role: 'weights', path: 'model\0.gguf' }] },
      'files.files[0].path',
    ],
    [
      'a path that is a number',
      { ...fakeFiles, files: [{ role: 'weights', path: 5 }] },
      'files.files[0].path',
    ],
  ])('refuses %s', async (_, files, key) => {
    const engine = createEngine(createFakeDriver());
    await expect(engine.open(files as unknown as string)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      key,
    });
    await engine.close();
  });

  it('refuses a signal that is none, and closes all the same', async () => {
    const model = await openFake();
    const fake = { aborted: false } as AbortSignal;
    expect(() => model.generate({ prompt: 'a', signal: fake })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'signal' }),
    );
    await model.close();
  });

  it('says TEMPLATE_FAILED for a template that renders nothing', async () => {
    engine = createFakeEngine({ info: { chatTemplate: '{# nothing #}' } });
    const model = await engine.open(fakeFiles, { contextTokens: 64 });
    const run = model.generate({ messages: [{ role: 'user', content: 'Hi' }] });
    await expect(run).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
  });

  it('leaves what it has cached to the next one that begins alike', async () => {
    const model = await openFake();
    const first = await model.createSession({ system: 'You are brief.' });
    const { usage } = await first.send('Name a colour.', { maxTokens: 4 });
    await first.close();
    const next = await model.createSession({ system: 'You are brief.' });
    expect(next.tokenCount).toBe(0);
    const again = await next.send('Name a colour.', { maxTokens: 4 });
    expect(again.usage.cachedTokens).toBe(usage.promptTokens - 1);
  });

  it('takes session defaults for what a turn leaves undefined', async () => {
    const model = await openFake();
    const session = await model.createSession({ defaults: { maxTokens: 2 } });
    const options = { maxTokens: undefined } as unknown as { maxTokens: number };
    expect((await session.send('Hi', options)).usage.completionTokens).toBe(2);
  });

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
    expect(() => model.generate({ messages: [{ role: 'user', content: '\uD800' }] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'messages[0].content' }),
    );
    expect(() => model.generate({ messages: new Array(1) })).toThrow(
      expect.objectContaining({ key: 'messages[0]' }),
    );
  });
});
