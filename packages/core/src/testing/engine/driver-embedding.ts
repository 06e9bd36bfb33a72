import { describe, expect, it } from 'vitest';
import type { DriverEmbedOptions } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { drive, rejection, withSequence } from '../drive.js';
import { longPrompt, promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';

/** Texts that vectors are computed of. */
export function testDriverEmbedding(fixture: EngineFixture): void {
  const test = (title: string, body: () => Promise<void>) => {
    it(title, async (context) => {
      if (!fixture.driver.capabilities.embed) context.skip('the engine does not declare "embed"');
      if (!fixture.model.info.tasks.includes('embed')) context.skip('the model does not embed');
      await body();
    });
  };
  const embed = (texts: readonly (readonly Token[])[], own: Partial<DriverEmbedOptions> = {}) => {
    if (!fixture.model.embed) throw new Error('embed is declared, and the method is missing');
    return fixture.model.embed(texts, { pooling: 'mean', ...own });
  };
  const texts = () => [
    promptOf(fixture.model),
    promptOf(fixture.model, 'Two plus two is'),
    longPrompt(fixture.model, 150),
    promptOf(fixture.model, 'The sun rises in the east and sets in the west.'),
  ];

  describe('texts that are embedded', () => {
    test('have vectors as long as the model says', async () => {
      const length = fixture.model.info.embedding?.length;
      expect(length).toBeGreaterThan(0);
      const vectors = await embed(texts());
      expect(vectors.map((vector) => [vector.constructor.name, vector.length])).toEqual(
        texts().map(() => ['Float32Array', length]),
      );
      for (const vector of vectors) expect([...vector].every(Number.isFinite)).toBe(true);
      expect(await embed([])).toEqual([]);
    });

    test('have the same vectors together and alone', async () => {
      const together = await embed(texts());
      for (const [index, text] of texts().entries()) {
        const [alone] = await embed([text]);
        expect(cosine(together[index]!, alone!)).toBeGreaterThan(0.999);
        for (const [other, vector] of together.entries()) {
          if (other !== index) expect(cosine(vector, alone!)).toBeLessThan(0.9999);
        }
      }
    });

    test('are pooled as asked', async () => {
      const text = promptOf(fixture.model);
      const [mean, cls, last] = await Promise.all(
        (['mean', 'cls', 'last'] as const).map(
          async (pooling) => (await embed([text], { pooling }))[0]!,
        ),
      );
      for (const [a, b] of [
        [mean, cls],
        [mean, last],
        [cls, last],
      ] as const) {
        expect(cosine(a!, b!)).toBeLessThan(0.9999);
      }
      // Of a single token all are the same.
      const [single] = await embed([text.slice(0, 1)]);
      const [first] = await embed([text.slice(0, 1)], { pooling: 'cls' });
      expect(cosine(single!, first!)).toBeGreaterThan(0.9999);
    });

    test('report progress that rises to 1', async () => {
      const shares: number[] = [];
      await embed(texts(), { onProgress: (share) => shares.push(share) });
      expect(shares.at(-1)).toBe(1);
      expect(shares).toEqual([...new Set(shares)].sort((a, b) => a - b));
    });

    test('are given up for an abort, with its reason', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const running = embed(texts(), {
        signal: abort.signal,
        onProgress: () => abort.abort(reason),
      });
      expect(await rejection(running)).toBe(reason);
      expect(await rejection(embed(texts(), { signal: abort.signal }))).toBe(reason);
      const [vector] = await embed([promptOf(fixture.model)]);
      expect(vector?.length).toBe(fixture.model.info.embedding?.length);
    });

    test('leave the caches of sequences alone', async () => {
      if (!fixture.model.info.tasks.includes('generate')) return;
      await withSequence(fixture.model, async (sequence) => {
        const prompt = promptOf(fixture.model);
        const { tokens } = await drive(sequence, prompt, { maxTokens: 6 });
        await sequence.truncate(0);
        const [again] = await Promise.all([
          drive(sequence, prompt, { maxTokens: 6 }),
          embed(texts()),
        ]);
        expect(again.tokens).toEqual(tokens);
      });
    });

    test('are refused where they are longer than the context', async () => {
      const tokens = longPrompt(fixture.model, fixture.model.contextTokens + 1);
      const error = await rejection(embed([tokens]));
      expect(MobillmError.is(error, 'CONTEXT_FULL')).toBe(true);
    });
  });
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, number, k) => sum + number * (y[k] ?? NaN), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
