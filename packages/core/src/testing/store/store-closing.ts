import { describe, expect, it } from 'vitest';
import { expectCode, makeModel, hashOf, type StoreFixture } from './store-fixture.js';

/** What `close` promises. */
export function testStoreClosing(fixture: StoreFixture): void {
  describe('closing', () => {
    it('later calls are CLOSED, and closing again is not', async () => {
      const { store } = fixture;
      await store.close();
      await store.close();
      await store[Symbol.asyncDispose]();
      await expectCode(store.add('/a.gguf'), 'CLOSED');
      await expectCode(store.list(), 'CLOSED');
      await expectCode(store.resolve('a'), 'CLOSED');
      await expectCode(store.verify('a'), 'CLOSED');
      await expectCode(store.remove('a'), 'CLOSED');
    });

    it('disposing closes', async () => {
      await fixture.store[Symbol.asyncDispose]();
      await expectCode(fixture.store.list(), 'CLOSED');
    });

    it('it ends what runs, and waits for it', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      let ended = false;
      const adding = fixture.store.add(file.path, { placement: 'move' }).finally(() => {
        ended = true;
      });
      const failed = expectCode(adding, 'CLOSED');
      await fixture.store.close();
      await failed;
      expect(ended).toBe(true);
      expect(await hashOf(file.path)).toBe(file.sha256);
      expect(await (await fixture.reopen()).list()).toEqual([]);
    });
  });
}
