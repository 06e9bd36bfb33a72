import { describe, expect, it } from 'vitest';
import {
  expectCode,
  expectWrongCall,
  makeModel,
  namesIn,
  hashOf,
  type StoreFixture,
} from './store-fixture.js';

/** What `add` promises when it fails: a code, and a store that is as it was. */
export function testStoreRefusing(fixture: StoreFixture): void {
  describe('refusing', () => {
    it('other content under a taken name is MODEL_CONFLICT', async () => {
      const first = await makeModel(fixture, 'first.gguf', 1);
      const second = await makeModel(fixture, 'second.gguf', 2);
      const model = await fixture.store.add(first.path, { name: 'tiny' });
      for (const placement of ['link', 'move'] as const) {
        await expectCode(
          fixture.store.add(second.path, { name: 'tiny', placement }),
          'MODEL_CONFLICT',
        );
      }
      expect(await fixture.store.list()).toEqual([model]);
      expect(await hashOf(second.path)).toBe(second.sha256);
    });

    it('of two that want one name at once, one gets it', async () => {
      const files = [
        await makeModel(fixture, 'first.gguf', 1),
        await makeModel(fixture, 'second.gguf', 2),
      ];
      const other = await fixture.reopen();
      const results = await Promise.allSettled(
        files.map(({ path }, index) =>
          (index === 0 ? fixture.store : other).add(path, { name: 'tiny', placement: 'move' }),
        ),
      );
      const won = results.findIndex(({ status }) => status === 'fulfilled');
      const lost = results.find((result) => result.status === 'rejected');
      await expectCode(Promise.reject(lost?.reason as Error), 'MODEL_CONFLICT');
      const [model] = await fixture.store.list();
      expect(model?.files.files[0]?.sha256).toBe(files[won]?.sha256);
      expect(await hashOf(files[1 - won]?.path ?? '')).toBe(files[1 - won]?.sha256);
    });

    it('a file that is missing, or a folder without a model, is FILE_NOT_FOUND', async () => {
      await expectCode(fixture.store.add(`${fixture.folder}/none.gguf`), 'FILE_NOT_FOUND');
      await expectCode(fixture.store.add(fixture.folder), 'FILE_NOT_FOUND');
      expect(await fixture.store.list()).toEqual([]);
    });

    it('a file that is empty, truncated or no model is MODEL_INVALID', async () => {
      const { readFile, writeFile } = await import('node:fs/promises');
      const whole = await makeModel(fixture, 'whole.gguf');
      const path = `${fixture.folder}/broken.gguf`;
      const contents = [
        new Uint8Array(0),
        whole.bytes.subarray(0, 1000),
        whole.bytes.subarray(0, whole.bytes.byteLength - 1),
        new TextEncoder().encode('<!DOCTYPE html><title>404</title>'),
      ];
      for (const content of contents) {
        await writeFile(path, content);
        await expectCode(fixture.store.add(path), 'MODEL_INVALID');
        await expectCode(fixture.store.add(path, { placement: 'move' }), 'MODEL_INVALID');
      }
      expect(await fixture.store.list()).toEqual([]);
      expect(await readFile(path, 'utf8')).toBe('<!DOCTYPE html><title>404</title>');
    });

    it('a sha256 that does not agree is INTEGRITY_FAILED', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const sha256 = '0'.repeat(64);
      for (const placement of ['link', 'move'] as const) {
        await expectCode(fixture.store.add(file.path, { sha256, placement }), 'INTEGRITY_FAILED');
      }
      expect(await fixture.store.list()).toEqual([]);
      expect(await hashOf(file.path)).toBe(file.sha256);
    });

    it('a source that the store does not have is MODEL_NOT_FOUND', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      await expectCode(fixture.store.add(file.path, { derivedFrom: 'none' }), 'MODEL_NOT_FOUND');
      expect(await fixture.store.list()).toEqual([]);
    });

    it('aborted, it rejects with the reason and leaves everything as it was', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const reason = new Error('the user changed their mind');
      for (const placement of ['link', 'move'] as const) {
        const controller = new AbortController();
        const adding = fixture.store.add(file.path, { placement, signal: controller.signal });
        controller.abort(reason);
        await expect(adding).rejects.toBe(reason);
        await expect(
          fixture.store.add(file.path, { placement, signal: AbortSignal.abort(reason) }),
        ).rejects.toBe(reason);
      }
      expect(await fixture.store.list()).toEqual([]);
      expect(await hashOf(file.path)).toBe(file.sha256);
    });

    it('names that could lead out of the store are refused', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const names = [
        '',
        '.',
        '..',
        '../up',
        'a/../b',
        '/root',
        'a\0b',
        'a\\b',
        ' a',
        'x'.repeat(500),
      ];
      for (const name of names) {
        await expectWrongCall(() => fixture.store.add(file.path, { name }), 'options.name');
      }
      expect(await namesIn(fixture.store)).toEqual([]);
    });

    it('wrong arguments are refused by name', async () => {
      const add = fixture.store.add.bind(fixture.store) as (...args: unknown[]) => Promise<unknown>;
      await expectWrongCall(() => add(42), 'path');
      await expectWrongCall(() => add(''), 'path');
      await expectWrongCall(() => add('a', { place: 'link' }), 'options.place');
      await expectWrongCall(() => add('a', { placement: 'copy' }), 'options.placement');
      await expectWrongCall(() => add('a', { sha256: 'ABC' }), 'options.sha256');
      await expectWrongCall(() => add('a', { derivedFrom: 1 }), 'options.derivedFrom');
      await expectWrongCall(
        () => add('a', { derivedFrom: { name: 'a', sha256: 'ABC' } }),
        'options.derivedFrom.sha256',
      );
      await expectWrongCall(() => add('a', { hash: true }), 'options.hash');
      await expectWrongCall(() => add('a', { signal: true }), 'options.signal');
      await expectWrongCall(() => add('a', { onProgress: 1 }), 'options.onProgress');
    });
  });
}
