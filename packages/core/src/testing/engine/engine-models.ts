import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDriver } from '../../engine/driver.js';
import type { Engine, Model } from '../../engine/engine.js';
import type { GenerateOptions } from '../../engine/generation-options.js';
import type { OpenOptions } from '../../engine/open-options.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { createEngine } from '../../runtime/create-engine.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';
import { rejection } from '../drive.js';

/** What core makes of a driver: models, options, ends, errors. */
export function testEngineModels(fixture: EngineFixture): void {
  describe('as an engine for applications', () => {
    let engine: Engine;
    let model: Model;
    const prompt = 'Once upon a time there was a';
    const openOptions = (): OpenOptions =>
      suiteOpenOptions(fixture.options, Math.min(2, fixture.driver.capabilities.maxSequences));
    const generate = (own: Partial<GenerateOptions> = {}) =>
      model.generate({ prompt, maxTokens: 12, temperature: 0, ...own });

    beforeAll(async () => {
      const driver: EngineDriver = await fixture.options.createDriver();
      engine = createEngine(driver);
      model = await engine.open(fixture.options.files, openOptions());
    }, 120_000);

    afterAll(async () => {
      await (engine as Engine | undefined)?.close();
    });

    it('gives text, tokens, counts, clocks and placement in one result', async () => {
      const result = await generate({ speculation: 'auto' });
      const promptTokens = model.tokenizer.encode(prompt, { addSpecial: true }).length;
      const { draftedTokens = 0, acceptedTokens = 0, ...usage } = result.usage;
      expect(usage).toEqual({
        promptTokens,
        cachedTokens: 0,
        droppedMessages: 0,
        completionTokens: result.tokens.length,
      });
      expect('draftedTokens' in result.usage).toBe(engine.capabilities.speculation);
      expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
      const plain = await generate({ speculation: 'off' });
      expect(plain.usage).not.toHaveProperty('draftedTokens');
      expect(plain.usage).not.toHaveProperty('acceptedTokens');
      expect(result.text).toBe(
        model.tokenizer.decode(
          result.tokens.filter((token) => !model.tokenizer.endTokens.has(token)),
        ),
      );
      expect(['max-tokens', 'end-token']).toContain(result.stopReason);
      expect(result.timings.totalMs).toBeGreaterThan(0);
      expect(result.timings.timeToFirstTokenMs).toBeLessThanOrEqual(result.timings.totalMs);
      const { phases } = result.placement;
      expect(
        phases ? `${phases.prefill.engine}+${phases.decode.engine}` : result.placement.engine,
      ).toBe(engine.name);
    });

    it('streams what the result then holds', async () => {
      const run = generate();
      let text = '';
      const types: string[] = [];
      for await (const event of run) {
        types.push(event.type);
        if (event.type === 'text') text += event.text;
      }
      expect(types[0]).toBe('prefill');
      expect(types.at(-1)).toBe('finish');
      expect(text).toBe((await run).text);
    });

    it('uses the cache of an earlier call with the same beginning', async () => {
      const text = 'In the beginning there was nothing but a wide and silent sea.';
      await generate({ prompt: text, maxTokens: 1 });
      const second = await generate({ prompt: `${text} Then`, maxTokens: 1 });
      if (engine.capabilities.truncate === 'exact') {
        expect(second.usage.cachedTokens).toBeGreaterThan(0);
      }
      expect(second.usage.cachedTokens).toBeLessThan(second.usage.promptTokens);
    });

    it('cuts a stop string off and names it', async () => {
      // Both runs find the prompt in the cache: read in other steps, it could be answered otherwise.
      await generate();
      const whole = await generate({ maxTokens: 24 });
      const stop = whole.text.slice(4, 7);
      expect(stop).toHaveLength(3);
      const run = generate({ maxTokens: 24, stop });
      let streamed = '';
      for await (const piece of run.textStream()) streamed += piece;
      const result = await run;
      expect(result.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect(streamed).toBe(result.text);
      expect(result.stopReason).toBe('stop-string');
      expect(result.stopString).toBe(stop);
    });

    it('keeps the partial result of an aborted run and rejects with the reason', async () => {
      const reason = new Error('enough');
      const abort = new AbortController();
      const run = generate({ maxTokens: 400, signal: abort.signal });
      const reading = (async () => {
        for await (const event of run) if (event.type === 'text') abort.abort(reason);
      })();
      expect(await rejection(reading)).toBe(reason);
      expect(await rejection(run)).toBe(reason);
      expect(run.partial.text).not.toBe('');
      expect(run.partial.stopReason).toBe('aborted');
    });

    it('gives the result so far when the loop is left', async () => {
      const run = generate({ maxTokens: 400 });
      for await (const event of run) if (event.type === 'text') break;
      const result = await run;
      expect(result.stopReason).toBe('aborted');
      expect(result.text).not.toBe('');
      expect((await generate()).stopReason).not.toBe('aborted');
    });

    it('never ends an answer early because of what others have cached', async () => {
      const word = model.tokenizer.encode(' word')[0] ?? 0;
      const filler = (tokens: number, first: number) => [
        first,
        ...Array.from({ length: tokens - 1 }, () => word),
      ];
      const { contextTokens } = model;
      await model.generate({ tokens: filler(contextTokens - 40, 1), maxTokens: 1 });
      // Together they need more than one context, and a pool may hold no more than that.
      const answers = await Promise.all(
        [2, 3].map((first) =>
          model.generate({
            tokens: filler(Math.floor(contextTokens / 2), first),
            maxTokens: 24,
            temperature: 0,
          }),
        ),
      );
      for (const answer of answers) {
        expect(['max-tokens', 'end-token']).toContain(answer.stopReason);
        expect(answer.usage.completionTokens).toBeGreaterThan(0);
      }
    });

    it('refuses a prompt longer than the context with both counts', async () => {
      const tokens = Array.from({ length: model.contextTokens + 1 }, () => 5);
      const error = await rejection(model.generate({ tokens, maxTokens: 1 }));
      expect(MobillmError.is(error, 'CONTEXT_FULL')).toBe(true);
      expect((error as MobillmError).details).toMatchObject({
        promptTokens: model.contextTokens + 1,
        contextTokens: model.contextTokens,
      });
    });

    it('refuses wrong calls by name, before anything runs', async () => {
      const code = 'INVALID_ARGUMENT';
      const { vocabularySize } = model.tokenizer;
      expect(() => generate({ topK: 'many' as never })).toThrow(
        expect.objectContaining({ code, key: 'topK' }),
      );
      expect(() => generate({ speculation: 'sometimes' as never })).toThrow(
        expect.objectContaining({ code, key: 'speculation' }),
      );
      expect(() => generate({ topp: 1 } as never)).toThrow(
        expect.objectContaining({ code, key: 'topp' }),
      );
      expect(() => model.generate({ maxTokens: 1 } as never)).toThrow(
        expect.objectContaining({ code }),
      );
      expect(await rejection(model.generate({ tokens: [] }))).toMatchObject({
        code,
        key: 'tokens',
      });
      expect(await rejection(model.generate({ tokens: [vocabularySize] }))).toMatchObject({
        code,
        key: 'tokens[0]',
      });
      expect(
        await rejection(engine.open(fixture.options.files, { contextTokens: 2 ** 40 })),
      ).toMatchObject({ code, key: 'contextTokens' });
      expect(
        await rejection(engine.open(fixture.options.files, { device: 'abacus' })),
      ).toMatchObject({ code, key: 'device' });
    });

    it('says UNSUPPORTED to what is not declared', async () => {
      const calls = {
        embed: () => model.embed(['a']),
        rerank: () => model.rerank('a', ['b']),
        adjust: () => model.adjust({ threads: 1 }),
        trim: () => model.trim(1),
      } as const;
      for (const [capability, call] of Object.entries(calls)) {
        if (engine.capabilities[capability as keyof typeof calls]) continue;
        expect(MobillmError.is(await rejection(call()), 'UNSUPPORTED')).toBe(true);
      }
      if (!engine.capabilities.logprobs) {
        expect(() => generate({ logprobs: 1 })).toThrow(
          expect.objectContaining({ code: 'UNSUPPORTED' }),
        );
      }
      if (!engine.capabilities.speculation) {
        expect(() => generate({ speculation: 'always' })).toThrow(
          expect.objectContaining({ code: 'UNSUPPORTED' }),
        );
      }
      if (!engine.capabilities.grammar) {
        expect(() => generate({ grammar: 'root ::= "a"' })).toThrow(
          expect.objectContaining({ code: 'UNSUPPORTED' }),
        );
      }
    });

    it('closes a model while it generates, even if nobody reads', async () => {
      const second = await engine.open(fixture.options.files, openOptions());
      const run = second.generate({ prompt, maxTokens: 400, temperature: 0 });
      const events = run[Symbol.asyncIterator]();
      await events.next();
      await second.close();
      expect(MobillmError.is(await rejection(events.next()), 'CLOSED')).toBe(true);
      expect(MobillmError.is(await rejection(run), 'CLOSED')).toBe(true);
      expect(() => second.generate({ prompt })).toThrow(
        expect.objectContaining({ code: 'CLOSED' }),
      );
    });

    it('opens two models at once, each with its own text', async () => {
      // Both are new: a model that has the prompt in its cache reads it in other steps, and on
      // quantized weights that can tip a near-tie.
      const models = await Promise.all(
        [0, 1].map(() => engine.open(fixture.options.files, openOptions())),
      );
      try {
        const [a, b] = await Promise.all(
          models.map((model) => model.generate({ prompt, maxTokens: 12, temperature: 0 })),
        );
        expect(b!.tokens).toEqual(a!.tokens);
      } finally {
        await Promise.all(models.map((model) => model.close()));
      }
    });
  });
}
