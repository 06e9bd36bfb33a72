import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { EngineCapabilities } from '../../src/engine/capabilities.js';
import type { Engine, Model } from '../../src/engine/engine.js';
import type { SessionOptions } from '../../src/engine/session-options.js';
import { temporaryFolder } from '../temporary-folder.js';
import { createFakeEngine, fakeFiles } from '../../src/testing/index.js';

const folder = temporaryFolder();
const engines: Engine[] = [];

async function openFake(
  contextTokens = 256,
  capabilities: Partial<EngineCapabilities> = {},
): Promise<Model> {
  const engine = createFakeEngine({ capabilities });
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens, sequences: 2 });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

const shift: SessionOptions = {
  system: 'You are brief.',
  contextPolicy: 'shift',
  defaults: { temperature: 0, maxTokens: 8 },
};

describe('a conversation that outgrows its context', () => {
  it('fails by default, with both counts', async () => {
    const session = await (await openFake()).createSession({ defaults: { maxTokens: 8 } });
    const talk = async () => {
      for (;;) await session.send('Tell me more of the sea.');
    };
    await expect(talk()).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
      details: { contextTokens: 256 },
    });
  });

  it('goes on without its oldest messages where it is told to, for any number of turns', async () => {
    const session = await (await openFake()).createSession(shift);
    let previous = 0;
    for (let turn = 0; turn < 30; turn++) {
      const { usage } = await session.send(`Tell me more of the sea, ${turn}.`);
      expect(usage.droppedMessages).toBeGreaterThanOrEqual(previous);
      // What is left is not computed again, also when messages go.
      if (turn > 0) expect(usage.cachedTokens).toBeGreaterThan(usage.promptTokens / 2);
      previous = usage.droppedMessages;
    }
    expect(previous).toBeGreaterThan(40);
    expect(session.messages).toHaveLength(61);
    await session.reset();
    expect((await session.send('Hello.')).usage.droppedMessages).toBe(0);
  });

  it('computes what is left again where an engine cannot move it', async () => {
    const model = await openFake(256, { removeTokens: false });
    const session = await model.createSession(shift);
    let previous = 0;
    for (let turn = 0; turn < 12; turn++) {
      const { usage } = await session.send(`Tell me more of the sea, ${turn}.`);
      const computed = usage.promptTokens - usage.cachedTokens;
      if (usage.droppedMessages > previous) expect(computed).toBeGreaterThan(60);
      previous = usage.droppedMessages;
    }
    expect(previous).toBeGreaterThan(0);
  });

  it('is neither copied nor saved once its cache was moved', async () => {
    const model = await openFake();
    const session = await model.createSession(shift);
    let dropped = 0;
    while (dropped === 0) {
      dropped = (await session.send('Tell me more of the sea.')).usage.droppedMessages;
    }
    const path = join(folder, 'one.session');
    expect(await session.save(path)).toMatchObject({
      cachedTokens: 0,
      reason: { code: 'UNSUPPORTED' },
    });
    const other = await model.createSession({
      messages: [...session.messages.slice(0, 1), ...session.messages.slice(1 + dropped)],
      defaults: { temperature: 0, maxTokens: 4 },
    });
    const { usage } = await other.send('Hello.');
    // The system message alone.
    expect(usage.cachedTokens).toBeLessThan(usage.promptTokens / 2);
  });

  it('makes room in the middle of an answer, too', async () => {
    const session = await (await openFake()).createSession(shift);
    for (let turn = 0; turn < 3; turn++) await session.send('Tell me more of the sea.');
    const { usage, stopReason, tokens } = await session.send('All of it.', { maxTokens: 150 });
    expect(stopReason).toBe('max-tokens');
    expect(tokens).toHaveLength(150);
    expect(usage.droppedMessages).toBeGreaterThan(0);
    const next = await session.send('Thanks.');
    expect(next.usage.promptTokens).toBeLessThanOrEqual(256);
  });

  it('ends an answer that fills the context alone', async () => {
    const session = await (await openFake()).createSession(shift);
    const { stopReason } = await session.send('All of it.', { maxTokens: 1000 });
    expect(stopReason).toBe('context-full');
  });

  it('takes nothing out of the cache while all fits', async () => {
    const cached = async (contextPolicy: 'error' | 'shift') => {
      const session = await (await openFake()).createSession({ ...shift, contextPolicy });
      // Computed, and left before it was answered.
      await session.send('Please do not list any three colours that you like.', { maxTokens: 0 });
      const { usage } = await session.send('Please list any three colours that you like.');
      return usage.cachedTokens;
    };
    expect(await cached('shift')).toBe(await cached('error'));
  });

  it('refuses a message that is too long by itself', async () => {
    const session = await (await openFake()).createSession(shift);
    await session.send('Hello.');
    await expect(session.send('sea '.repeat(300))).rejects.toMatchObject({ code: 'CONTEXT_FULL' });
    const { usage } = await session.send('Hello.');
    expect(usage.droppedMessages).toBe(0);
  });
});
