import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import { createFakeEngine, fakeFiles } from '../../src/testing/index.js';
import { watchedHybrid } from './watched-fakes.js';

const opened: Engine[] = [];

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

function setUp(...args: Parameters<typeof watchedHybrid>): ReturnType<typeof watchedHybrid> {
  const sides = watchedHybrid(...args);
  opened.push(sides.hybrid, sides.prefill.engine, sides.decode.engine);
  return sides;
}

const options = { contextTokens: 256, sequences: 2 } as const;
const greedy = { temperature: 0 } as const;

/** What one engine alone answers to two messages. */
async function aloneTwice(): Promise<string[]> {
  const engine = createFakeEngine();
  opened.push(engine);
  return sayTwice(await engine.open(fakeFiles, options));
}

async function sayTwice(model: Model): Promise<string[]> {
  const session = await model.createSession({ defaults: { ...greedy, maxTokens: 20 } });
  const first = await session.send('Once upon a time');
  const second = await session.send('And then?');
  await session.close();
  return [first.text, second.text];
}

describe('a hybrid', () => {
  it('prefills on one engine, decodes on the other, and computes nothing twice', async () => {
    const { hybrid, prefill, decode } = setUp();
    const model = await hybrid.open(undefined, options);
    const session = await model.createSession({ defaults: { ...greedy, maxTokens: 20 } });
    const first = await session.send('Once upon a time');
    const promptTokens = first.usage.promptTokens;
    expect(prefill.computed).toEqual([promptTokens]);
    expect(decode.computed).toEqual([0]);
    expect([prefill.exported, decode.imported]).toEqual([[promptTokens], [promptTokens]]);

    const second = await session.send('And then?');
    // The cache of the first answer went back, all but its last token, which was never computed.
    const said = first.usage.completionTokens - 1;
    expect([decode.exported, prefill.imported]).toEqual([[said], [said]]);
    const newTokens = second.usage.promptTokens - second.usage.cachedTokens;
    expect(second.usage.cachedTokens).toBe(promptTokens + said);
    expect(prefill.computed).toEqual([promptTokens, newTokens]);
    expect(decode.computed).toEqual([0, 0]);
    expect(decode.imported).toEqual([promptTokens, newTokens]);
    expect(hybrid.counts).toEqual({
      prefilledTokens: promptTokens + newTokens,
      directTokens: 0,
      handedOverTokens: promptTokens + newTokens,
      returnedTokens: said,
      recomputedTokens: 0,
      handOverMs: expect.any(Number) as number,
    });
    expect(hybrid.counts.handOverMs).toBeGreaterThan(0);
  });

  it('says what one engine alone says', async () => {
    const model = await setUp().hybrid.open(undefined, options);
    expect(await sayTwice(model)).toEqual(await aloneTwice());
  });

  it('computes decoded tokens again, and counts them, where they cannot be sent back', async () => {
    for (const lacking of [
      { prefill: { capabilities: { importKv: false } } },
      { decode: { capabilities: { exportKv: false } } },
    ]) {
      const { hybrid, prefill, decode } = setUp(lacking);
      const model = await hybrid.open(undefined, options);
      expect(await sayTwice(model)).toEqual(await aloneTwice());
      expect(hybrid.counts).toMatchObject({ returnedTokens: 0, recomputedTokens: 19 });
      expect(hybrid.counts.prefilledTokens).toBe(hybrid.counts.handedOverTokens);
      expect([prefill.imported, decode.exported]).toEqual([[], []]);
      expect(decode.computed).toEqual([0, 0]);
    }
  });

  it('decodes short new texts directly, and brings the other side up for the next long one', async () => {
    const { hybrid, prefill, decode } = setUp({ hybrid: { minPrefillTokens: 60 } });
    const model = await hybrid.open(undefined, options);
    const [text] = await aloneTwice();
    const run = await model.generate({ prompt: 'a short prompt', ...greedy, maxTokens: 5 });
    expect([prefill.computed, decode.computed]).toEqual([[], ['a short prompt'.length]]);
    expect(hybrid.counts).toMatchObject({ directTokens: 14, prefilledTokens: 0 });
    // The proof of what ran where names the engine that did.
    const { prefill: prefilledBy, decode: decodedBy } = run.placement.phases!;
    expect([prefilledBy.engine, decodedBy.engine]).toEqual(['cpu', 'cpu']);
    const long = `a short prompt${run.text.slice(0, 4)}${'x'.repeat(80)}`;
    const next = await model.generate({ prompt: long, ...greedy, maxTokens: 5 });
    expect(next.usage.cachedTokens).toBe(18);
    expect(next.placement.phases!.prefill.engine).toBe('npu');
    expect([decode.exported, prefill.imported, prefill.computed]).toEqual([[18], [18], [80]]);
    expect(text).toHaveLength(20);
  });

  it('counts prefill and hand-over as prefill, and names what ran where', async () => {
    const { hybrid } = setUp();
    const model = await hybrid.open(undefined, options);
    const { timings, placement } = await model.generate({
      prompt: 'x'.repeat(100),
      ...greedy,
      maxTokens: 4,
    });
    // Fakes report one millisecond a step: four of the prompt, one a token.
    expect(timings.prefillMs).toBeGreaterThan(4);
    expect(timings.prefillMs).toBeCloseTo(4 + hybrid.counts.handOverMs, 6);
    expect(timings.decodeMs).toBe(4);
    expect(placement).toMatchObject({
      engine: 'cpu',
      keyType: 'f32',
      phases: { prefill: { engine: 'npu', keyType: 'f16' }, decode: { engine: 'cpu' } },
    });
  });

  it('runs two sequences side by side, one of them with a reader that sleeps', async () => {
    const { hybrid } = setUp();
    const model = await hybrid.open(undefined, { contextTokens: 512, sequences: 2 });
    const sleeping = model.generate({ prompt: 'x'.repeat(40), ...greedy, maxTokens: 100 });
    const events = sleeping[Symbol.asyncIterator]();
    for (let step = await events.next(); ; step = await events.next()) {
      if (step.done || step.value.type === 'text') break;
    }
    const others = await Promise.all(
      [1, 2, 3].map(() => model.generate({ prompt: 'y'.repeat(40), ...greedy, maxTokens: 8 })),
    );
    expect(new Set(others.map(({ text }) => text)).size).toBe(1);
    for (let step = await events.next(); !step.done; step = await events.next());
    expect((await sleeping).usage.completionTokens).toBe(100);
  });

  it('holds the context that both sides hold, and stops where it is full', async () => {
    const { hybrid } = setUp({ prefill: { info: { trainedContextTokens: 128 } } });
    await expect(hybrid.open(undefined, options)).rejects.toMatchObject({ key: 'contextTokens' });
    const model = await hybrid.open(undefined, { contextTokens: 128 });
    expect([model.contextTokens, model.info.trainedContextTokens]).toEqual([128, 128]);
    const result = await model.generate({ prompt: 'x'.repeat(100), ...greedy });
    expect(result.stopReason).toBe('context-full');
    expect(result.usage.completionTokens).toBe(29);
  });

  it('makes room for others when the caches of both sides are full', async () => {
    const { hybrid } = setUp();
    const model = await hybrid.open(undefined, { contextTokens: 256, sequences: 3 });
    const prompts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(120));
    const alone = [];
    for (const prompt of prompts)
      alone.push(await model.generate({ prompt, ...greedy, maxTokens: 90 }));
    const together = await Promise.all(
      prompts.map((prompt) => model.generate({ prompt, ...greedy, maxTokens: 90 })),
    );
    expect(together.map(({ text }) => text)).toEqual(alone.map(({ text }) => text));
  });
});
