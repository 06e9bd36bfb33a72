import { describe, expect, it } from 'vitest';
import type { ByteProgress } from '../../store/model-store.js';
import { tinyLlamaGguf } from '../tiny-llama.js';
import { makeModel, namesIn, hashOf, type StoreFixture } from './store-fixture.js';

/** What `add` promises when it succeeds. */
export function testStoreAdding(fixture: StoreFixture): void {
  describe('adding', () => {
    it('an empty store lists nothing', async () => {
      expect(await fixture.store.list()).toEqual([]);
    });

    it('a model is named after its file and described from its header', async () => {
      const file = await makeModel(fixture, 'Tiny.Q8.gguf');
      const model = await fixture.store.add(file.path);
      expect(model).toEqual({
        name: 'Tiny.Q8',
        files: {
          format: 'gguf',
          name: 'Tiny.Q8',
          files: [
            {
              path: file.path,
              fileBytes: file.bytes.byteLength,
              role: 'weights',
            },
          ],
        },
        description: {
          architecture: 'llama',
          name: 'Tiny Llama of random weights',
          parameterCount: 108_224,
          weightBytes: 432_896,
          quantization: 'F32',
          layers: 2,
          embeddingLength: 64,
          attentionHeads: 4,
          kvHeads: 2,
          keyLength: 16,
          valueLength: 16,
          feedForwardLength: 128,
          vocabularySize: 267,
          trainedContextTokens: 2048,
          chatTemplate: expect.stringContaining('<|im_start|>') as string,
        },
        ownership: 'linked',
        addedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string,
      });
      expect(await fixture.store.list()).toEqual([model]);
      expect(await fixture.store.resolve('Tiny.Q8')).toEqual(model);
    });

    it('the sha256 of a linked file is recorded when that is asked for', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const model = await fixture.store.add(file.path, { hash: 'now' });
      expect(model.files.files[0]?.sha256).toBe(file.sha256);
      expect(await fixture.store.resolve('tiny')).toEqual(model);
    });

    it('a linked file stays where it lies, unchanged', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const model = await fixture.store.add(file.path, { name: 'linked', placement: 'link' });
      expect(model.files.files[0]?.path).toBe(file.path);
      expect(await hashOf(file.path)).toBe(file.sha256);
    });

    it('a moved file is taken into the store whole', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const model = await fixture.store.add(file.path, { name: 'moved', placement: 'move' });
      const path = model.files.files[0]?.path ?? '';
      expect(model.ownership).toBe('owned');
      expect(path.startsWith(`${fixture.folder}/store/`)).toBe(true);
      expect(model.files.files[0]?.sha256).toBe(file.sha256);
      expect(await hashOf(path)).toBe(file.sha256);
      expect(await hashOf(file.path)).toBeUndefined();
      expect(await fixture.store.resolve('moved')).toEqual(model);
    });

    it('models are there after the store was opened again', async () => {
      const linked = await makeModel(fixture, 'linked.gguf', 1);
      const moved = await makeModel(fixture, 'moved.gguf', 2);
      const models = [
        await fixture.store.add(linked.path),
        await fixture.store.add(moved.path, { placement: 'move' }),
      ];
      await fixture.store.close();
      const again = await fixture.reopen();
      expect(await again.list()).toEqual(models);
    });

    it('the same content under the same name again is what is there', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const copy = await makeModel(fixture, 'copy.gguf');
      const model = await fixture.store.add(file.path, { name: 'tiny' });
      expect(await fixture.store.add(file.path, { name: 'tiny' })).toEqual(model);
      expect(await fixture.store.add(copy.path, { name: 'tiny' })).toEqual(model);
      expect(await fixture.store.list()).toEqual([model]);
    });

    it('a sha256 that agrees is accepted', async () => {
      const file = await makeModel(fixture, 'tiny.gguf');
      const model = await fixture.store.add(file.path, { sha256: file.sha256 });
      expect(model.files.files[0]?.sha256).toBe(file.sha256);
    });

    it('what a model was derived from is kept, with the sha256 of a source in the store', async () => {
      const source = await makeModel(fixture, 'source.gguf', 1);
      const small = await makeModel(fixture, 'small.gguf', 2);
      const other = await makeModel(fixture, 'other.gguf', 3);
      await fixture.store.add(source.path, { hash: 'now' });
      const derived = await fixture.store.add(small.path, { derivedFrom: 'source' });
      expect(derived.derivedFrom).toEqual({ name: 'source', sha256: source.sha256 });
      const elsewhere = { name: 'elsewhere', sha256: 'ab'.repeat(32) };
      const told = await fixture.store.add(other.path, { derivedFrom: elsewhere });
      expect(told.derivedFrom).toEqual(elsewhere);
      await fixture.store.remove('source');
      const again = await fixture.reopen();
      expect((await again.list()).map(({ derivedFrom }) => derivedFrom)).toEqual([
        elsewhere,
        { name: 'source', sha256: source.sha256 },
      ]);
    });

    it('names in any script are kept', async () => {
      const file = await makeModel(fixture, 'модель 小.gguf');
      await fixture.store.add(file.path);
      await fixture.store.add(file.path, { name: 'owner/Model:q4' });
      expect(await namesIn(fixture.store)).toEqual(['owner/Model:q4', 'модель 小']);
    });

    it('names that differ in case alone are two models', async () => {
      const one = await makeModel(fixture, 'one.gguf', 1);
      const two = await makeModel(fixture, 'two.gguf', 2);
      await fixture.store.add(one.path, { name: 'tiny', placement: 'move' });
      await fixture.store.add(two.path, { name: 'Tiny', placement: 'move' });
      const paths = (await fixture.store.list()).map(({ files }) => files.files[0]?.path ?? '');
      expect(await namesIn(fixture.store)).toEqual(['Tiny', 'tiny']);
      expect(await Promise.all(paths.map(hashOf))).toEqual([two.sha256, one.sha256]);
    });

    it.each(['now', 'later'] as const)(
      'progress never falls and ends with one report of all bytes, hashed %s',
      async (hash) => {
        const file = await makeModel(fixture, 'tiny.gguf');
        const reports: ByteProgress[] = [];
        await fixture.store.add(file.path, {
          hash,
          onProgress: (progress) => reports.push(progress),
        });
        const last = reports.at(-1);
        expect(last).toMatchObject({
          doneBytes: tinyLlamaGguf().byteLength,
          totalBytes: tinyLlamaGguf().byteLength,
        });
        const hashed = reports.filter(({ phase }) => phase === last?.phase);
        expect(hashed.map(({ doneBytes }) => doneBytes)).toEqual(
          hashed.map(({ doneBytes }) => doneBytes).sort((a, b) => a - b),
        );
      },
    );

    it('several at once are all added', async () => {
      const names = ['a', 'b', 'c', 'd'];
      const files = await Promise.all(
        names.map((name, index) => makeModel(fixture, `${name}.gguf`, index + 1)),
      );
      const other = await fixture.reopen();
      await Promise.all(
        files.map(({ path }, index) => (index % 2 === 0 ? fixture.store : other).add(path)),
      );
      expect(await namesIn(fixture.store)).toEqual(names);
    });
  });
}
