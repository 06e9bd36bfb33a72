import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import type { GenerationOptions } from '../../src/engine/generation-options.js';
import { createFakeEngine, type FakeEngineOptions, fakeFiles } from '../../src/testing/index.js';

const engines: Engine[] = [];

async function openFake(options: FakeEngineOptions = {}): Promise<Model> {
  const engine = createFakeEngine(options);
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens: 256, sequences: 2 });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

/** Says the alphabet over and over, whatever went before. */
const alphabet: FakeEngineOptions = {
  reply: (tokens) => {
    const last = tokens.at(-1) ?? 0;
    return last >= 97 && last < 122 ? last + 1 : 97;
  },
};
const greedy = { temperature: 0, maxTokens: 120 } as const;

describe('guessing ahead', () => {
  it('says how many guesses there were and how many were right, of all parts of an answer', async () => {
    const model = await openFake(alphabet);
    const say = (own: GenerationOptions) => model.generate({ prompt: 'xyz', ...greedy, ...own });
    const plain = await say({ speculation: 'off' });
    const guessed = await say({ speculation: 'always' });
    expect(guessed.text).toBe(plain.text);
    const { acceptedTokens, draftedTokens, ...usage } = guessed.usage;
    expect(usage).toMatchObject({ completionTokens: 120 });
    expect(acceptedTokens).toBeGreaterThan(60);
    expect(draftedTokens).toBeGreaterThanOrEqual(acceptedTokens ?? Infinity);
    expect(plain.usage).not.toHaveProperty('draftedTokens');
  });

  it('is off by default where an answer can be repeated, and where the engine cannot', async () => {
    const model = await openFake();
    const usageOf = async (own: GenerationOptions, of = model) =>
      (await of.generate({ prompt: 'a', maxTokens: 2, ...own })).usage;
    expect(await usageOf({})).toHaveProperty('draftedTokens');
    expect(await usageOf({ seed: 1 })).not.toHaveProperty('draftedTokens');
    expect(await usageOf({ temperature: 0 })).not.toHaveProperty('draftedTokens');
    expect(await usageOf({ seed: 1, speculation: 'auto' })).toHaveProperty('draftedTokens');
    const plain = await openFake({ capabilities: { speculation: false } });
    expect(await usageOf({ speculation: 'auto' }, plain)).not.toHaveProperty('draftedTokens');
    expect(() => plain.generate({ prompt: 'a', speculation: 'always' })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        details: { engine: 'fake', capability: 'speculation' },
      }),
    );
  });

  it('leaves nothing behind a stop string that came in the middle of guesses', async () => {
    const talk = async (speculation: 'off' | 'always') => {
      const model = await openFake(alphabet);
      const session = await model.createSession({ defaults: { ...greedy, speculation } });
      const results = [];
      for (const stop of ['fgh', 'xya', 'mno']) {
        const { text, usage } = await session.send('Go on.', { stop, maxTokens: 60 });
        const { promptTokens, cachedTokens } = usage;
        results.push({ text, promptTokens, cachedTokens });
      }
      return results;
    };
    expect(await talk('always')).toEqual(await talk('off'));
  });

  it('goes on when messages are dropped in the middle of an answer', async () => {
    const talk = async (speculation: 'off' | 'always') => {
      const model = await openFake();
      const session = await model.createSession({
        ...{ contextPolicy: 'shift', defaults: { temperature: 0, maxTokens: 40, speculation } },
      });
      const texts = [];
      let dropped = 0;
      for (let turn = 0; turn < 8; turn++) {
        const { text, usage } = await session.send('Tell me more of the sea.');
        texts.push(text);
        dropped = usage.droppedMessages;
      }
      expect(dropped).toBeGreaterThan(0);
      return texts;
    };
    expect(await talk('always')).toEqual(await talk('off'));
  });
});
