import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../engine/engine.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { createEngine } from '../../runtime/create-engine.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';
import { rejection } from '../drive.js';

/** Conversations: turns, cache, abort, reset. */
export function testEngineSessions(fixture: EngineFixture): void {
  describe('sessions', () => {
    let engine: Engine;
    let model: Model;
    const skipWithoutTemplate = (skip: (note: string) => void) => {
      if (model.info.chatTemplate === undefined) skip('the model has no chat template');
    };

    beforeAll(async () => {
      engine = createEngine(await fixture.options.createDriver());
      const sequences = Math.min(2, fixture.driver.capabilities.maxSequences);
      model = await engine.open(
        fixture.options.files,
        suiteOpenOptions(fixture.options, sequences),
      );
    }, 120_000);

    afterAll(async () => {
      await (engine as Engine | undefined)?.close();
    });

    it('remember what was said and compute nothing twice', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const session = await model.createSession({
        system: 'You are brief.',
        defaults: { temperature: 0, maxTokens: 12 },
      });
      const first = await session.send('Name a colour.');
      const second = await session.send('Name another one.');
      expect(session.messages.map((message) => message.role)).toEqual([
        'system',
        'user',
        'assistant',
        'user',
        'assistant',
      ]);
      expect(session.messages[2]?.content).toBe(first.text);
      expect(first.usage.cachedTokens).toBe(0);
      if (engine.capabilities.truncate === 'exact') {
        // All of the first turn but its last token, which was sampled and never read.
        const said = first.usage.promptTokens + first.usage.completionTokens - 1;
        expect(second.usage.cachedTokens).toBe(said);
      }
      await session.close();
    });

    it('take over what another one has cached, and go their own ways', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const { copySequence, truncate, maxSequences } = engine.capabilities;
      if (!copySequence || truncate !== 'exact' || maxSequences < 2) {
        context.skip('the engine does not declare "copySequence" of parts');
      }
      const options = {
        system: 'You are brief, kind and patient, and you like short words.',
        defaults: { temperature: 0, maxTokens: 8 },
      };
      const question = 'Name a colour.';
      const alone = await model.createSession(options);
      const expected = await alone.send(question);
      await alone.close();

      const [one, other] = [await model.createSession(options), await model.createSession(options)];
      await one.send('Tell me of the sea.');
      const answer = await other.send(question);
      // The system prompt at least, which is most of it.
      expect(answer.usage.cachedTokens).toBeGreaterThan(answer.usage.promptTokens / 3);
      expect(answer.text).toBe(expected.text);
      const next = await one.send('And of the sky.');
      expect(next.usage.cachedTokens).toBeGreaterThan(answer.usage.cachedTokens);
      await Promise.all([one.close(), other.close()]);
    });

    it('read the spelling of a special token in a message as text', (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const [special] = model.tokenizer.specialTokens.filter(({ token }) =>
        model.tokenizer.endTokens.has(token),
      );
      if (!special) throw new Error('the model has no end token among its special tokens');
      const count = (content: string) =>
        model.encodeMessages([{ role: 'user', content }]).filter((token) => token === special.token)
          .length;
      expect(count(`a ${special.text} b`)).toBe(count('a b'));
    });

    it('read the spelling of a special token in a tool, its call and its result as text', (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const [special] = model.tokenizer.specialTokens.filter(({ token }) =>
        model.tokenizer.endTokens.has(token),
      );
      if (!special) throw new Error('the model has no end token among its special tokens');
      const encode = (text: string) =>
        model.encodeMessages(
          [
            { role: 'user', content: 'When?' },
            {
              role: 'assistant',
              content: '',
              toolCalls: [{ id: 'call00000', name: 'get_time', arguments: { zone: text } }],
            },
            { role: 'tool', name: 'get_time', toolCallId: 'call00000', content: text },
          ],
          { tools: [{ type: 'function', function: { name: 'get_time', description: text } }] },
        );
      const count = (tokens: readonly number[]) =>
        tokens.filter((token) => token === special.token).length;
      const nasty = encode(`a ${special.text} b`);
      expect(count(nasty)).toBe(count(encode('a b')));
      const shown = model.tokenizer.decode(nasty, { showSpecial: true });
      expect(shown.split(`a ${special.text} b`)).toHaveLength(4);
    });

    it('answer one message at a time', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const session = await model.createSession({ defaults: { temperature: 0, maxTokens: 8 } });
      const [first, second] = await Promise.allSettled([
        session.send('One.'),
        session.send('Two.'),
      ]);
      expect(first.status).toBe('fulfilled');
      expect(second.status === 'rejected' && MobillmError.is(second.reason, 'BUSY')).toBe(true);
      await session.close();
    });

    it('keep an aborted answer as far as it came, and go on', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const session = await model.createSession({ defaults: { temperature: 0 } });
      const abort = new AbortController();
      const run = session.send('Tell me a long story.', { signal: abort.signal, maxTokens: 300 });
      await rejection(
        (async () => {
          for await (const event of run) if (event.type === 'text') abort.abort();
        })(),
      );
      expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: run.partial.text });
      await rejection(run);
      // By now its place is free: nobody has to wait or try again.
      const next = await session.send('Thanks.', { maxTokens: 4 });
      expect(next.usage.completionTokens).toBeGreaterThan(0);
      await session.close();
    });

    it('come back from a file with what they had cached', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const { folder } = fixture.options;
      if (folder === undefined) context.skip('the suite was given no folder to write to');
      const path = `${folder}/saved.session`;
      const defaults = { temperature: 0, maxTokens: 8 };
      const session = await model.createSession({ system: 'You are brief.', defaults });
      await session.send('Name a colour.');
      const saved = await session.save(path);
      const cached = session.tokenCount;
      const expected = await session.send('Name another one.');
      // What a session leaves behind when it closes would hide what the file is good for.
      await session.reset();
      await session.close();

      const restored = await model.restoreSession(path, { defaults });
      const messages = restored.messages.map(({ role }) => role);
      expect(messages).toEqual(['system', 'user', 'assistant']);
      const { exportKv, importKv } = engine.capabilities;
      const tokens = exportKv && importKv ? cached : 0;
      expect(restored.restored?.cachedTokens).toBe(tokens);
      expect(restored.tokenCount).toBe(tokens);
      if (!exportKv) expect(saved.reason).toMatchObject({ code: 'UNSUPPORTED' });
      else if (!importKv) expect(restored.restored?.reason).toMatchObject({ code: 'UNSUPPORTED' });
      const answer = await restored.send('Name another one.');
      expect(answer.text).toBe(expected.text);
      if (tokens > 0) expect(answer.usage.cachedTokens).toBe(expected.usage.cachedTokens);
      await restored.close();
    });

    it('leave the oldest messages out where they are told to', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const session = await model.createSession({
        system: 'You are brief.',
        contextPolicy: 'shift',
        defaults: { temperature: 0, maxTokens: 4 },
      });
      let dropped = 0;
      for (let turn = 0; turn < 60 && dropped === 0; turn++) {
        const question = `Tell me more of the sea, the sky and the ${turn} ships between them.`;
        const { usage, stopReason } = await session.send(question);
        expect(usage.promptTokens).toBeLessThanOrEqual(model.contextTokens);
        expect(stopReason).not.toBe('context-full');
        dropped = usage.droppedMessages;
        expect(session.messages).toHaveLength(1 + 2 * (turn + 1));
      }
      expect(dropped).toBeGreaterThan(0);
      await session.close();
    });

    it('begin anew after a reset', async (context) => {
      skipWithoutTemplate((note) => {
        context.skip(note);
      });
      const session = await model.createSession({
        system: 'You are brief.',
        defaults: { temperature: 0, maxTokens: 8 },
      });
      const first = await session.send('Name a colour.');
      await session.reset();
      expect(session.messages).toEqual([{ role: 'system', content: 'You are brief.' }]);
      expect(session.tokenCount).toBe(0);
      expect((await session.send('Name a colour.')).tokens).toEqual(first.tokens);
      await session.close();
    });

    it('say CLOSED after they are closed, and give their place back', async () => {
      const limit = Math.min(2, engine.capabilities.maxSequences);
      const sessions = await Promise.all(
        Array.from({ length: limit }, () => model.createSession()),
      );
      expect(MobillmError.is(await rejection(model.createSession()), 'BUSY')).toBe(true);
      await Promise.all(sessions.map((session) => session.close()));
      expect(() => sessions[0]?.send('Hello?')).toThrow(
        expect.objectContaining({ code: 'CLOSED' }),
      );
      const another = await model.createSession();
      await another.close();
    });
  });
}
