import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model } from '../../src/engine/engine.js';
import { createFakeEngine, type FakeEngineOptions, fakeFiles } from '../../src/testing/index.js';
import {
  readSessionFile,
  type SavedCache,
  writeSessionFile,
} from '../../src/session/session-file.js';
import { temporaryFolder } from '../temporary-folder.js';

const path = join(temporaryFolder(), 'one.session');
const engines: Engine[] = [];

async function openFake(options: FakeEngineOptions = {}, contextTokens = 512): Promise<Model> {
  const engine = createFakeEngine(options);
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens, sequences: 3 });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

const system = 'You are brief, kind and patient, and you like short words.';
const defaults = { temperature: 0, maxTokens: 6 };

/** Saves a conversation of one turn and tells what the next turn says. */
async function saveOne(model: Model): Promise<string> {
  const session = await model.createSession({ system, defaults });
  await session.send('Name a colour.');
  await session.save(path);
  const { text } = await session.send('Another one.');
  await session.close();
  return text;
}

describe('a saved session', () => {
  it('goes on in another process as if it had never ended', async () => {
    const expected = await saveOne(await openFake());
    const session = await (await openFake()).restoreSession(path, { defaults });
    expect(session.restored).toEqual({ cachedTokens: session.tokenCount });
    expect(session.tokenCount).toBeGreaterThan(0);
    const answer = await session.send('Another one.');
    expect(answer.text).toBe(expected);
    expect(answer.usage.cachedTokens).toBe(session.restored?.cachedTokens);
  });

  it('serves as a beginning for several, computed before anybody asked', async () => {
    const model = await openFake();
    const beginning = await model.createSession({ system });
    const { cachedTokens } = await beginning.save(path);
    expect(cachedTokens).toBeGreaterThan(0);
    expect(beginning.tokenCount).toBe(cachedTokens);
    await beginning.close();
    const fresh = await openFake();
    for (let turn = 0; turn < 2; turn++) {
      const session = await fresh.restoreSession(path, { defaults });
      const { usage } = await session.send(`Name colour ${turn}.`);
      expect(session.restored).toEqual({ cachedTokens });
      // The second one shares the words of the first, too.
      expect(usage.cachedTokens).toBeGreaterThanOrEqual(cachedTokens);
    }
  });

  it('is computed again where its cache is damaged, and says so', async () => {
    const model = await openFake();
    const expected = await saveOne(model);
    const bytes = readFileSync(path);
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(path, bytes);
    const session = await model.restoreSession(path, { defaults });
    expect(session.restored).toMatchObject({
      cachedTokens: 0,
      reason: { code: 'INTEGRITY_FAILED' },
    });
    const answer = await session.send('Another one.');
    expect(answer.text).toBe(expected);
  });

  it('is computed again by a model of other weights', async () => {
    await saveOne(await openFake());
    const other = { sourceSha256: '0'.repeat(64) };
    const session = await (await openFake({ lineage: other })).restoreSession(path, { defaults });
    expect(session.restored).toMatchObject({ cachedTokens: 0, reason: { code: 'KV_MISMATCH' } });
    expect((await session.send('Another one.')).usage.cachedTokens).toBe(0);
  });

  it('says that it is too long for a shorter context', async () => {
    await saveOne(await openFake());
    const session = await (await openFake({}, 16)).restoreSession(path, { defaults });
    expect(session.restored).toMatchObject({ cachedTokens: 0, reason: { code: 'CONTEXT_FULL' } });
  });

  it('keeps what was said where the engine cannot export', async () => {
    const model = await openFake({ capabilities: { exportKv: false } });
    const session = await model.createSession({ system, defaults });
    await session.send('Name a colour.');
    expect(await session.save(path)).toMatchObject({
      cachedTokens: 0,
      reason: { code: 'UNSUPPORTED' },
    });
    const restored = await model.restoreSession(path);
    expect(restored.messages).toEqual(session.messages);
    expect(restored.restored).toEqual({ cachedTokens: 0 });
  });

  it('keeps its tokens to the vocabulary that they are of', async () => {
    const model = await openFake();
    const expected = await saveOne(model);
    const { known, ...saved } = await readSessionFile(path);
    const tokens = known!.tokens.map((token) => (token + 1) % model.tokenizer.vocabularySize);
    const { messages, window } = saved;
    await writeSessionFile(path, { messages, window, known: { ...known!, tokens } });
    const session = await model.restoreSession(path, { defaults });
    expect((await session.send('Another one.')).text).toBe(expected);
  });

  it('keeps its cache to itself', async () => {
    await saveOne(await openFake());
    const model = await openFake();
    const restored = await model.restoreSession(path, { defaults });
    expect(restored.tokenCount).toBeGreaterThan(0);
    const other = await model.createSession({ system, defaults });
    expect((await other.send('Name a colour.')).usage.cachedTokens).toBe(0);
  });

  it('lies in a shared pool once, however often it is restored', async () => {
    await saveOne(await openFake());
    const { cache } = await readSessionFile(path);
    const { tokens } = (cache as SavedCache).snapshot;
    // Room for one of them, and what three sessions add to it.
    const model = await openFake({}, tokens.length + 16);
    const sessions = [];
    for (let copy = 0; copy < 3; copy++) {
      sessions.push(await model.restoreSession(path, { defaults }));
    }
    for (const session of sessions) {
      expect(session.restored).toEqual({ cachedTokens: tokens.length });
      expect(session.tokenCount).toBe(tokens.length);
    }
    // What one of them changes is its own.
    await sessions[0]!.reset();
    expect(sessions.map((session) => session.tokenCount)).toEqual([
      0,
      tokens.length,
      tokens.length,
    ]);
  });

  it('keeps its cache from another one with the same tokens and other numbers', async () => {
    await saveOne(await openFake());
    const { cache, ...saved } = await readSessionFile(path);
    const { snapshot } = cache as SavedCache;
    const changed = {
      ...snapshot,
      layers: snapshot.layers.map(({ keys, values }) => ({ keys, values: values.map(() => 0) })),
    };
    const other = join(dirname(path), 'other.session');
    await writeSessionFile(other, { ...saved, cache: changed });
    const model = await openFake();
    const { text: expected } = await (
      await model.restoreSession(path, { defaults })
    ).send('Another one.');
    const restored = await model.restoreSession(other, { defaults });
    expect(restored.restored).toEqual({ cachedTokens: snapshot.tokens.length });
    // Read from the file and not copied: a model that sees other numbers says something else.
    expect((await restored.send('Another one.')).text).not.toBe(expected);
  });

  it('knows which messages no longer fitted', async () => {
    const model = await openFake({}, 256);
    const session = await model.createSession({ system, defaults, contextPolicy: 'shift' });
    let dropped = 0;
    while (dropped === 0) {
      dropped = (await session.send('Tell me more of the sea.')).usage.droppedMessages;
    }
    await session.save(path);
    const next = await session.send('And of the sky.');
    const restored = await model.restoreSession(path, { defaults });
    const { usage } = await restored.send('And of the sky.');
    expect(usage.droppedMessages).toBe(next.usage.droppedMessages);
    expect(usage.promptTokens).toBe(next.usage.promptTokens);
  });

  it('holds nothing of what another conversation has left behind', async () => {
    const model = await openFake();
    await saveOne(model);
    const empty = await model.createSession({ defaults });
    expect(empty.tokenCount).toBe(0);
    expect((await empty.save(path)).cachedTokens).toBe(0);
  });

  it('may be empty', async () => {
    const model = await openFake();
    const session = await model.createSession({ defaults });
    await session.save(path);
    const restored = await model.restoreSession(path, { defaults });
    expect(restored.messages).toEqual([]);
    expect((await restored.send('Hello.')).tokens.length).toBeGreaterThan(0);
  });

  it('is not written while it answers, and gives its place back when it cannot be restored', async () => {
    const model = await openFake();
    const session = await model.createSession({ defaults });
    const run = session.send('Hello.');
    for await (const _ of run) {
      await expect(session.save(path)).rejects.toMatchObject({ code: 'BUSY' });
      break;
    }
    await session.close();
    writeFileSync(path, 'something else');
    for (let times = 0; times < 4; times++) {
      await expect(model.restoreSession(path)).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    }
    for (const bad of ['', 'a\0b']) {
      await expect(model.restoreSession(bad)).rejects.toMatchObject({ key: 'path' });
    }
  });

  it('is not written for a signal that is aborted', async () => {
    const session = await (await openFake()).createSession({ system });
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(session.save(path, { signal })).rejects.toBe(reason);
  });
});
