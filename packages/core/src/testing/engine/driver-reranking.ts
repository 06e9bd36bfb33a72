import { describe, expect, it } from 'vitest';
import type { DriverRerankOptions } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { rejection } from '../drive.js';
import type { EngineFixture } from './fixture.js';

/** Documents that are scored for a query. */
export function testDriverReranking(fixture: EngineFixture): void {
  const rerank = (
    query: string,
    documents: readonly string[],
    own: Partial<DriverRerankOptions> = {},
  ) => {
    if (!fixture.model.rerank) throw new Error('rerank is declared, and the method is missing');
    return fixture.model.rerank(query, documents, { truncate: 'error', ...own });
  };
  const can = () => fixture.model.info.tasks.includes('rerank');
  const test = (title: string, body: () => Promise<void>) => {
    it(title, async (context) => {
      if (!fixture.driver.capabilities.rerank) context.skip('the engine does not declare "rerank"');
      if (!can()) context.skip('the model does not rerank');
      await body();
    });
  };
  const documents = ['the sun is hot', 'a cat sat on the mat', 'the moon'];

  describe('documents', () => {
    test('are scored for the query, each as it is alone', async () => {
      const scores = await rerank('where is the cat', documents);
      expect(scores).toHaveLength(documents.length);
      for (const [index, document] of documents.entries()) {
        const [alone] = await rerank('where is the cat', [document]);
        expect(scores[index]).toBeCloseTo(alone!, 3);
      }
      expect(new Set(scores).size).toBe(documents.length);
      expect(await rerank('what is hot', documents)).not.toEqual(scores);
      expect(await rerank('what is hot', [])).toEqual([]);
    });

    test('that do not fit beside the query are refused, or cut where that is asked for', async () => {
      const long = 'word '.repeat(fixture.model.contextTokens);
      const error = await rejection(rerank('cat', ['sun', long]));
      expect(MobillmError.is(error, 'CONTEXT_FULL')).toBe(true);
      expect((error as MobillmError).details).toMatchObject({
        documentIndex: 1,
        contextTokens: fixture.model.contextTokens,
      });
      expect(await rerank('cat', [long], { truncate: 'end' })).toHaveLength(1);
      const query = await rejection(rerank(long, ['sun'], { truncate: 'end' }));
      expect(MobillmError.is(query, 'CONTEXT_FULL')).toBe(true);
    });

    test('are given up for an abort of the scoring, with its reason', async () => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      expect(await rejection(rerank('cat', documents, { signal }))).toBe(reason);
    });

    it('are refused by a model without a head for scores', async (context) => {
      if (!fixture.driver.capabilities.rerank) context.skip('the engine does not declare "rerank"');
      if (can()) context.skip('the model reranks');
      const error = await rejection(rerank('cat', documents));
      expect(MobillmError.is(error, 'UNSUPPORTED')).toBe(true);
    });
  });
}
