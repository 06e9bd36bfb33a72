import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, Model, Session } from '../../src/engine/engine.js';
import type { GenerateOptions } from '../../src/engine/generation-options.js';
import type { GenerationResult } from '../../src/stream/generation-event.js';
import {
  createFakeEngine,
  fakeAdapterFiles,
  type FakeEngineOptions,
  fakeFiles,
} from '../../src/testing/index.js';
import type { Token } from '../../src/tokenizer/tokenizer.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const engines: Engine[] = [];
const sequences = 8;
const system =
  'You are brief, kind and patient, and you like short words above all others. '.repeat(3);
const defaults = { temperature: 0, maxTokens: 4 };

async function openFake(options: FakeEngineOptions = {}, contextTokens = 1024): Promise<Model> {
  const engine = createFakeEngine(options);
  engines.push(engine);
  return engine.open(fakeFiles, { contextTokens, sequences });
}

afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

/** Tokens of a prompt that were computed for an answer. */
const computed = ({ usage }: GenerationResult) => usage.promptTokens - usage.cachedTokens;

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

const closeAll = (sessions: readonly Session[]) =>
  Promise.all(sessions.map((session) => session.close()));

describe('a beginning that many have in common', () => {
  it('is computed once for sessions that ask at once', async () => {
    const model = await openFake();
    const sessions = await Promise.all(
      Array.from({ length: sequences }, () => model.createSession({ system, defaults })),
    );
    const results = await Promise.all(sessions.map((session, index) => session.send(`${index}`)));
    expect(computed(results[0]!)).toBe(results[0]!.usage.promptTokens);
    for (const result of results.slice(1)) expect(computed(result)).toBeLessThan(60);
    const alone = await openFake();
    for (const [index, { tokens }] of results.entries()) {
      const session = await alone.createSession({ system, defaults });
      expect((await session.send(`${index}`)).tokens).toEqual(tokens);
      await session.close();
    }
  });

  it('is computed once for each set of adapters', async () => {
    const model = await openFake();
    const adapter = await model.loadAdapter(fakeAdapterFiles[0]);
    const prompt = 'One beginning, which is long enough to be waited for by others. ';
    const results = await Promise.all(
      [1, 0, 1, 0, 1, 0].map((scale, index) =>
        model.generate({
          ...{ prompt: `${prompt}${index}`, maxTokens: 2, temperature: 0 },
          adapters: [{ adapter, scale }],
        }),
      ),
    );
    expect(results.map(({ usage }) => usage.cachedTokens)).toEqual(
      [0, 0, 1, 1, 1, 1].map((times) => times * prompt.length),
    );
  });

  it('is not waited for where its reader has gone to sleep', async () => {
    const model = await openFake();
    const asleep = model.generate({ prompt: system, maxTokens: 2 });
    await asleep[Symbol.asyncIterator]().next();
    const results = await Promise.all(
      [1, 2].map((index) => model.generate({ prompt: `${system}${index}`, maxTokens: 2 })),
    );
    expect(results.map(computed).sort((a, b) => a - b)).toEqual([1, system.length + 1]);
  });

  it('is in memory once when it is restored several times at once', async () => {
    const path = join(folder, 'beginning.session');
    const saving = await openFake();
    const session = await saving.createSession({ system, defaults });
    const { cachedTokens } = await session.save(path);
    // Room for two of them side by side, and not for three.
    const model = await openFake({}, 2 * cachedTokens + 100);
    const restore = () => model.restoreSession(path, { defaults });
    const sessions = await Promise.all(Array.from({ length: sequences }, restore));
    expect(sessions.map((restored) => restored.restored)).toEqual(
      sessions.map(() => ({ cachedTokens })),
    );
    expect(sessions.map(({ tokenCount }) => tokenCount)).toEqual(sessions.map(() => cachedTokens));
    // As if each had imported it.
    const expected = await session.send('Well?');
    for (const restored of sessions) {
      expect((await restored.send('Well?')).text).toBe(expected.text);
      await restored.close();
    }
  });

  it.each([true, false])(
    'stays behind for the next session where caches can be copied: %s',
    async (copySequence) => {
      const model = await openFake({ capabilities: { copySequence } });
      const others = 'You are long-winded. '.repeat(6);
      const ask = async (head: string, question: string) => {
        const session = await model.createSession({ system: head, defaults });
        const { usage } = await session.send(question);
        await session.close();
        return usage.cachedTokens;
      };
      expect(await ask(system, 'One?')).toBe(0);
      expect(await ask(others, 'One?')).toBeLessThan(others.length);
      for (let turn = 0; turn < 2 * sequences; turn++) {
        expect(await ask(system, `${turn}?`)).toBeGreaterThan(system.length);
        expect(await ask(others, `${turn}?`)).toBeGreaterThan(others.length);
      }
    },
  );

  describe('among prompts that come in any number and order', () => {
    const stems = [11, 7, 5].map((factor) =>
      Array.from({ length: 90 }, (_, index) => 97 + ((factor * index) % 26)),
    );
    const request = fc.record({
      stem: fc.nat({ max: stems.length - 1 }),
      shared: fc.nat({ max: 90 }),
      own: fc.integer({ min: 1, max: 40 }),
    });
    const end = fc.record({
      by: fc.constantFrom('nothing', 'abort', 'leave', 'close'),
      afterTurns: fc.nat({ max: 12 }),
    });

    /** The beginning of a stem, and tokens that no other prompt goes on with. */
    const promptOf = (
      {
        stem,
        shared,
        own,
      }: { readonly stem: number; readonly shared: number; readonly own: number },
      index: number,
    ): Token[] => [
      ...stems[stem]!.slice(0, shared),
      ...Array.from({ length: own }, () => 48 + index),
    ];
    const optionsOf = (tokens: Token[]): GenerateOptions => ({ tokens, ...defaults });

    /** Tokens that have to be computed where each beginning is once. */
    const distinct = (prompts: readonly Token[][]) => {
      const beginnings = new Set<string>();
      for (const prompt of prompts) {
        for (let end = 1; end <= prompt.length; end++) beginnings.add(prompt.slice(0, end).join());
      }
      return beginnings.size;
    };

    it('is computed once, up to what is not worth waiting for', async () => {
      const alone = await openFake({}, 4096);
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: sequences }), async (all) => {
          const model = await openFake({}, 4096);
          const prompts = all.map(promptOf);
          const results = await Promise.all(
            prompts.map((tokens) => model.generate(optionsOf(tokens))),
          );
          const most = distinct(prompts) + 32 * prompts.length;
          expect(sum(results.map(computed))).toBeLessThanOrEqual(most);
          for (const [index, tokens] of prompts.entries()) {
            const expected = await alone.generate(optionsOf(tokens));
            expect(results[index]!.tokens).toEqual(expected.tokens);
          }
          await model.close();
        }),
        { numRuns: 40 },
      );
    }, 60_000);

    it('leaves each to end as it would alone, whoever is aborted, left or closed', async () => {
      const alone = await openFake({}, 4096);
      const asked = fc.record({ request, end });
      await fc.assert(
        fc.asyncProperty(
          fc.array(asked, { minLength: 2, maxLength: 2 * sequences }),
          // From room for all of them to room for a few.
          fc.integer({ min: 200, max: 2000 }),
          async (all, contextTokens) => {
            const model = await openFake({}, contextTokens);
            const runs = all.map(({ request: one }, index) => {
              const tokens = promptOf(one, index);
              const abort = new AbortController();
              const run = model.generate({ ...optionsOf(tokens), signal: abort.signal });
              return { tokens, abort, run };
            });
            const outcomes = runs.map(async ({ tokens, abort, run }, index) => {
              const { by, afterTurns } = all[index]!.end;
              const reader = run[Symbol.asyncIterator]();
              const reading = (async () => {
                while (!(await reader.next()).done);
                return run;
              })();
              const outcome = reading.then(
                (result) => result,
                (error: unknown) => error,
              );
              for (let turn = 0; turn < afterTurns; turn++) await new Promise(setImmediate);
              if (by === 'abort') abort.abort('enough');
              if (by === 'leave') await reader.return?.();
              if (by === 'close' && index === 0) await model.close();
              return { by, tokens, outcome: await outcome };
            });
            for (const { by, tokens, outcome } of await Promise.all(outcomes)) {
              const { stopReason, tokens: said } = outcome as Partial<GenerationResult>;
              if (by === 'abort' && outcome === 'enough') continue;
              if (by === 'leave' && stopReason === 'aborted') continue;
              if (all[0]!.end.by === 'close' && said === undefined) {
                expect(outcome).toMatchObject({ code: 'CLOSED' });
                continue;
              }
              expect(said).toEqual((await alone.generate(optionsOf(tokens))).tokens);
            }
            if (all[0]!.end.by === 'close') return;
            // Nobody has kept a place.
            await closeAll(
              await Promise.all(Array.from({ length: sequences }, () => model.createSession())),
            );
            await model.close();
          },
        ),
        { numRuns: 60 },
      );
    }, 60_000);
  });
});
