import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SamplingFeature } from '../../engine/capabilities.js';
import type { Engine, Model } from '../../engine/engine.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { createEngine } from '../../runtime/create-engine.js';
import type { SamplesRun } from '../../stream/samples-run.js';
import { rejection } from '../drive.js';
import { longPrompt } from './driving.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';

/** Several answers to one prompt, or to prompts that begin alike. */
export function testEngineSamples(fixture: EngineFixture): void {
  describe('as an engine that gives several answers', () => {
    let engine: Engine;
    let model: Model;
    let n: number;
    const prompt = 'Once upon a time there was a';
    const has = (feature: SamplingFeature) => engine.capabilities.sampling.includes(feature);
    const start = (own: object = {}): SamplesRun =>
      model.generateSamples({
        ...{ prompt, maxTokens: 12, n },
        ...(has('temperature') && { temperature: 1.5 }),
        ...(has('seed') && { seed: 7 }),
        ...own,
      });

    beforeAll(async () => {
      engine = createEngine(await fixture.options.createDriver());
      n = Math.min(3, engine.capabilities.maxSequences);
      model = await engine.open(fixture.options.files, suiteOpenOptions(fixture.options, n));
    }, 120_000);
    afterAll(() => (engine as Engine | undefined)?.close());

    it('computes a prompt once for several answers', async () => {
      const { samples } = await start();
      expect(samples).toHaveLength(n);
      const [first, ...others] = samples.map((sample) => sample.usage);
      expect(first?.cachedTokens).toBe(0);
      for (const { promptTokens, cachedTokens } of others) {
        expect(promptTokens).toBe(first?.promptTokens);
        if (engine.capabilities.copySequence && engine.capabilities.truncate === 'exact') {
          // The logits after the last token are each one's own to compute.
          expect(cachedTokens).toBe(promptTokens - 1);
        }
      }
    });

    it('computes a beginning once for prompts that come at once', async (context) => {
      const { copySequence, truncate } = engine.capabilities;
      if (!copySequence || truncate !== 'exact' || n < 2) {
        context.skip('the engine does not declare "copySequence" of parts');
      }
      const head = longPrompt(fixture.model, 96);
      const ends = new Set(model.tokenizer.encode(' one two three'));
      const runs = [...ends]
        .slice(0, n)
        .map((end) => model.generate({ tokens: [...head, end], maxTokens: 8, temperature: 0 }));
      const results = await Promise.all(runs);
      const cached = results.map(({ usage }) => usage.cachedTokens).sort((a, b) => a - b);
      expect(cached).toEqual([0, ...Array.from({ length: n - 1 }, () => head.length)]);
    });

    it('gives each answer a seed of its own, and streams what the results then hold', async (context) => {
      if (!has('seed') || !has('temperature')) context.skip('the engine draws no tokens');
      const run = start();
      const texts = Array.from({ length: n }, () => '');
      const finished: number[] = [];
      for await (const event of run) {
        if (event.type === 'text') texts[event.sample] = (texts[event.sample] ?? '') + event.text;
        if (event.type === 'finish') finished.push(event.sample);
      }
      const { samples } = await run;
      expect(samples.map((sample) => sample.text)).toEqual(texts);
      expect(finished.sort()).toEqual(samples.map((_, sample) => sample));
      expect(samples.map((sample) => sample.seed)).toEqual(samples.map((_, sample) => 7 + sample));
      expect(new Set(samples.map((sample) => sample.tokens.join())).size).toBe(n);
    });

    it('ends all answers with the reason of an abort', async () => {
      const reason = new Error('enough');
      const abort = new AbortController();
      const run = start({ maxTokens: 400, signal: abort.signal });
      const reading = (async () => {
        for await (const event of run) if (event.type === 'text') abort.abort(reason);
      })();
      expect(await rejection(reading)).toBe(reason);
      expect(await rejection(run)).toBe(reason);
      expect(run.partial.samples.map((sample) => sample.stopReason)).toEqual(
        Array.from({ length: n }, () => 'aborted'),
      );
    });

    it('ends all answers when the loop is left', async () => {
      const run = start({ maxTokens: 400 });
      for await (const event of run) if (event.type === 'text' && event.sample === n - 1) break;
      const { samples } = await run;
      expect(samples.every((sample) => sample.stopReason !== undefined)).toBe(true);
      expect(samples[n - 1]?.text).not.toBe('');
      // Their places are free again.
      expect((await start({ maxTokens: 2 })).samples).toHaveLength(n);
    });

    it('gives one answer as generate does', async () => {
      await model.generate({ prompt, maxTokens: 1 });
      const options = { prompt, maxTokens: 12, temperature: 0 } as const;
      const { samples } = await model.generateSamples({ ...options, n: 1 });
      expect(samples.map((sample) => sample.tokens)).toEqual([
        (await model.generate(options)).tokens,
      ]);
    });

    it('refuses more answers than sequences, and wrong counts', () => {
      const code = 'INVALID_ARGUMENT';
      for (const wrong of [0, n + 1, 1.5, undefined]) {
        expect(() => start({ n: wrong })).toThrow(expect.objectContaining({ code, key: 'n' }));
      }
    });

    it('ends all answers when the model is closed, even if nobody reads', async () => {
      const other = await engine.open(fixture.options.files, suiteOpenOptions(fixture.options, n));
      const run = other.generateSamples({ prompt, maxTokens: 400, n });
      const events = run[Symbol.asyncIterator]();
      await events.next();
      await other.close();
      expect(MobillmError.is(await rejection(run), 'CLOSED')).toBe(true);
      expect(() => other.generateSamples({ prompt, n: 1 })).toThrow(
        expect.objectContaining({ code: 'CLOSED' }),
      );
    });
  });
}
