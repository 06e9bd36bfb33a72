import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import {
  createFakeEngine,
  type FakeEngineOptions,
  fakeFiles,
  matchesGbnf,
  rejection,
  scriptedReply,
} from '../../src/testing/index.js';

const engines: Engine[] = [];

async function openFake(options: FakeEngineOptions = {}, contextTokens = 256): Promise<Model> {
  const engine = createFakeEngine(options);
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens, sequences: 2 });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

const pairs = String.raw`root ::= "[" pair ("," pair){29} "]"
pair ::= "<" [a-z] [0-9] ">"`;

describe('an answer that is held to a grammar', () => {
  it('matches, ends by itself and tells how often its model wanted something else', async () => {
    const model = await openFake({ reply: scriptedReply('[<ax>', 2) });
    const { text, stopReason, usage } = await model.generate({
      prompt: 'Go',
      grammar: 'root ::= "[<" [a-z] [0-9] ">]"',
      temperature: 0,
    });
    expect(text).toMatch(/^\[<a\d>\]$/);
    expect(stopReason).toBe('grammar-end');
    // The digit, and the bracket at the end: its model would have ended there.
    expect(usage).toMatchObject({ completionTokens: 6, rejectedTokens: 2 });
    const free = await model.generate({ prompt: 'Go', maxTokens: 2 });
    expect(free.usage).not.toHaveProperty('rejectedTokens');
  });

  it('goes on in its grammar when messages are dropped in the middle of it', async () => {
    const session = await (
      await openFake()
    ).createSession({ contextPolicy: 'shift', defaults: { temperature: 0, maxTokens: 8 } });
    for (let turn = 0; turn < 4; turn++) await session.send('Tell me more of the sea.');
    const { text, usage, stopReason } = await session.send('All of it.', {
      grammar: pairs,
      maxTokens: 200,
    });
    expect(usage.droppedMessages).toBeGreaterThan(0);
    expect(stopReason).toBe('grammar-end');
    expect(matchesGbnf(pairs, text)).toBe(true);
    // Counted over both parts: no letter of the model is a bracket.
    expect(usage.rejectedTokens).toBeGreaterThan(90);
  });

  it('goes on in its grammar when others take its room', async () => {
    const model = await openFake({}, 256);
    const results = await Promise.all(
      ['One', 'Two', 'Six'].map((prompt) =>
        model.generate({ prompt: prompt.repeat(8), grammar: pairs, temperature: 0 }),
      ),
    );
    for (const { text, stopReason } of results) {
      expect(stopReason).toBe('grammar-end');
      expect(matchesGbnf(pairs, text)).toBe(true);
    }
  });

  it('keeps what was written before a dead end', async () => {
    const model = await openFake();
    const run = model.generate({
      prompt: 'Go',
      grammar: 'root ::= "ab" "c"',
      temperature: 0,
      logitBias: { 99: -Infinity },
    });
    expect(await rejection(run)).toMatchObject({ code: 'GRAMMAR_DEAD_END' });
    expect(run.partial.text).toBe('ab');
  });

  it('fails for a grammar that is not valid, with its place', async () => {
    const model = await openFake();
    const run = model.generate({ prompt: 'Go', grammar: 'root ::= "a"\nb ::= (' });
    expect(await rejection(run)).toMatchObject({ code: 'GRAMMAR_INVALID', details: { line: 2 } });
    expect(run.partial.tokens).toEqual([]);
    // Nothing of it stays.
    expect((await model.generate({ prompt: 'Go', maxTokens: 3 })).tokens).toHaveLength(3);
  });

  it('is refused by name where the option or the engine is not made for it', async () => {
    const model = await openFake();
    const generate = (grammar: unknown) => model.generate({ prompt: 'Go', grammar } as never);
    for (const wrong of [1, '', 'x'.repeat(2 ** 20 + 1), {}]) {
      expect(() => generate(wrong)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'grammar' }),
      );
    }
    const plain = await openFake({ capabilities: { grammar: false } });
    expect(() => plain.generate({ prompt: 'Go', grammar: 'root ::= "a"' })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        details: { engine: 'fake', capability: 'grammar' },
      }),
    );
  });
});
