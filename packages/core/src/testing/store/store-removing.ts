import { describe, expect, it } from 'vitest';
import {
  expectCode,
  expectWrongCall,
  makeModel,
  namesIn,
  hashOf,
  type StoreFixture,
} from './store-fixture.js';

/** What `remove` promises. */
export function testStoreRemoving(fixture: StoreFixture): void {
  describe('removing', () => {
    it('a linked file is never deleted', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path);
      await fixture.store.remove('tiny');
      expect(await fixture.store.list()).toEqual([]);
      expect(await hashOf(file.path)).toBe(file.sha256);
      await expectCode(fixture.store.resolve('tiny'), 'MODEL_NOT_FOUND');
    });

    it('an owned file is deleted, and no other', async () => {
      const first = await makeModel(fixture, 'first.gguf', 1);
      const second = await makeModel(fixture, 'second.gguf', 1);
      const model = await fixture.store.add(first.path, { placement: 'move' });
      const other = await fixture.store.add(second.path, { placement: 'move' });
      await fixture.store.remove('first');
      expect(await hashOf(model.files.files[0]?.path ?? '')).toBeUndefined();
      expect(await hashOf(other.files.files[0]?.path ?? '')).toBe(second.sha256);
      expect(await namesIn(fixture.store)).toEqual(['second']);
    });

    it('it stays removed after the store was opened again', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path);
      await fixture.store.remove('tiny');
      expect(await (await fixture.reopen()).list()).toEqual([]);
    });

    it('a name can be used again', async () => {
      const first = await makeModel(fixture, 'first.gguf', 1);
      const second = await makeModel(fixture, 'second.gguf', 2);
      await fixture.store.add(first.path, { name: 'tiny', placement: 'move' });
      await fixture.store.remove('tiny');
      const model = await fixture.store.add(second.path, { name: 'tiny', placement: 'move' });
      expect(await hashOf(model.files.files[0]?.path ?? '')).toBe(second.sha256);
    });

    it('an unknown name is MODEL_NOT_FOUND', async () => {
      await expectCode(fixture.store.remove('unknown'), 'MODEL_NOT_FOUND');
    });

    it('a name that leads out of the store is refused', async () => {
      await expectWrongCall(() => fixture.store.remove('../tiny'), 'name');
    });
  });
}
