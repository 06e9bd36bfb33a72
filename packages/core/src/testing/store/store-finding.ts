import { describe, expect, it } from 'vitest';
import type { ByteProgress } from '../../store/model-store.js';
import {
  expectCode,
  expectWrongCall,
  makeModel,
  namesIn,
  type StoreFixture,
} from './store-fixture.js';

/** What `list`, `resolve` and `verify` promise. */
export function testStoreFinding(fixture: StoreFixture): void {
  describe('finding', () => {
    it('models are listed sorted by name', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      for (const name of ['m', 'z', 'B', 'a', '10', '9'])
        await fixture.store.add(file.path, { name });
      expect(await namesIn(fixture.store)).toEqual(['10', '9', 'B', 'a', 'm', 'z']);
    });

    it('an unknown name is MODEL_NOT_FOUND with the names that are near', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path, { name: 'SmolLM2-135M' });
      await fixture.store.add(file.path, { name: 'Llama-3.2-1B' });
      const error = await expectCode(fixture.store.resolve('smollm2-135n'), 'MODEL_NOT_FOUND');
      expect(error.message).toContain('SmolLM2-135M');
      expect(error.message).not.toContain('Llama');
      await expectCode(fixture.store.verify('unknown'), 'MODEL_NOT_FOUND');
    });

    it('a linked file that has gone is FILE_NOT_FOUND, and other models are still found', async () => {
      const { rm } = await import('node:fs/promises');
      const gone = await makeModel(fixture, 'gone.gguf', 1);
      const kept = await makeModel(fixture, 'kept.gguf', 2);
      await fixture.store.add(gone.path);
      const model = await fixture.store.add(kept.path);
      await rm(gone.path);
      await expectCode(fixture.store.resolve('gone'), 'FILE_NOT_FOUND');
      expect(await fixture.store.resolve('kept')).toEqual(model);
      expect(await namesIn(fixture.store)).toEqual(['gone', 'kept']);
    });

    it('a file whose size has changed is INTEGRITY_FAILED', async () => {
      const { appendFile } = await import('node:fs/promises');
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path);
      await appendFile(file.path, 'more');
      await expectCode(fixture.store.resolve('tiny'), 'INTEGRITY_FAILED');
    });

    it('verifying reports a sound file', async () => {
      const { path, sha256, bytes } = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(path, { hash: 'now' });
      const reports: ByteProgress[] = [];
      const report = await fixture.store.verify('tiny', {
        onProgress: (progress) => reports.push(progress),
      });
      expect(report).toEqual({
        ok: true,
        files: [{ path, state: 'ok', expectedSha256: sha256, actualSha256: sha256 }],
      });
      expect(reports.at(-1)).toEqual({
        phase: 'hashing',
        doneBytes: bytes.byteLength,
        totalBytes: bytes.byteLength,
      });
    });

    it('the first verification of a file records its sha256', async () => {
      const { path, sha256: actualSha256 } = await makeModel(fixture, 'tiny.gguf', 1);
      await fixture.store.add(path);
      expect(await fixture.store.verify('tiny')).toEqual({
        ok: true,
        files: [{ path, state: 'ok', actualSha256 }],
      });
      const again = await fixture.reopen();
      expect((await again.resolve('tiny')).files.files[0]?.sha256).toBe(actualSha256);
      const other = await makeModel(fixture, 'tiny.gguf', 2);
      expect(await again.verify('tiny')).toEqual({
        ok: false,
        files: [
          { path, state: 'changed', expectedSha256: actualSha256, actualSha256: other.sha256 },
        ],
      });
    });

    it('a file that was written to before its first verification is changed', async () => {
      const { utimes } = await import('node:fs/promises');
      const { path, sha256: actualSha256 } = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(path);
      await utimes(path, 1, 1);
      for (let time = 0; time < 2; time++) {
        expect(await fixture.store.verify('tiny')).toEqual({
          ok: false,
          files: [{ path, state: 'changed', actualSha256 }],
        });
      }
    });

    it('verifying finds a changed byte', async () => {
      const file = await makeModel(fixture, 'tiny.gguf', 1);
      await fixture.store.add(file.path, { hash: 'now' });
      const other = await makeModel(fixture, 'tiny.gguf', 2);
      expect(await fixture.store.verify('tiny')).toEqual({
        ok: false,
        files: [
          {
            path: file.path,
            state: 'changed',
            expectedSha256: file.sha256,
            actualSha256: other.sha256,
          },
        ],
      });
    });

    it('verifying finds a file that is missing', async () => {
      const { rm } = await import('node:fs/promises');
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path, { hash: 'now' });
      await fixture.store.add(file.path, { name: 'unread' });
      await rm(file.path);
      const row = { path: file.path, state: 'missing' };
      expect(await fixture.store.verify('tiny')).toEqual({
        ok: false,
        files: [{ ...row, expectedSha256: file.sha256 }],
      });
      expect(await fixture.store.verify('unread')).toEqual({ ok: false, files: [row] });
    });

    it('an aborted verification rejects with the reason', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      await fixture.store.add(file.path);
      const reason = new Error('enough');
      const controller = new AbortController();
      const verifying = fixture.store.verify('tiny', { signal: controller.signal });
      controller.abort(reason);
      await expect(verifying).rejects.toBe(reason);
    });

    it('wrong arguments are refused by name', async () => {
      const { store } = fixture;
      await expectWrongCall(() => store.resolve(1 as unknown as string), 'name');
      await expectWrongCall(() => store.resolve('../up'), 'name');
      await expectWrongCall(() => store.verify('a', { fast: true } as object), 'options.fast');
    });
  });
}
