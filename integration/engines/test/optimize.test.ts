import { tinyLlamaGguf } from '@mobillm/core/testing';
import { createLlamaCppEngine, optimizeModel } from '@mobillm/engine-llamacpp';
import { createModelStore } from '@mobillm/model-store';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'mobillm-optimize-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = 'The heat of the sun is in the stones, and the air is thin. '.repeat(12);

it('puts an optimized model into the store, beside the source and opened like it', async () => {
  const source = join(folder, 'tiny.gguf');
  writeFileSync(source, tinyLlamaGguf());
  const sha256 = () => createHash('sha256').update(readFileSync(source)).digest('hex');
  const before = sha256();
  await using store = createModelStore({ directory: join(folder, 'store') });
  const { files } = await store.add(source, { hash: 'now' });

  const report = await optimizeModel(files, {
    ...{ text, store, name: 'tiny-8', target: 'Q8_0', minSpeedup: 0, threads: 1 },
  });
  expect(report).toMatchObject({
    decision: 'written',
    stored: {
      name: 'tiny-8',
      ownership: 'owned',
      description: { quantization: 'Q8_0' },
      derivedFrom: { name: 'tiny', sha256: before },
    },
  });
  expect(sha256()).toBe(before);
  expect(readdirSync(folder).sort()).toEqual(['store', 'tiny.gguf']);
  expect((await store.list()).map(({ name }) => name)).toEqual(['tiny', 'tiny-8']);
  expect(await store.verify('tiny-8')).toMatchObject({ ok: true });

  await using engine = await createLlamaCppEngine();
  const model = await engine.open((await store.resolve('tiny-8')).files, { contextTokens: 64 });
  const { usage } = await model.generate({ prompt: 'the sun', maxTokens: 4, temperature: 0 });
  expect(usage.completionTokens).toBe(4);
});

it('leaves neither file nor model where the name is taken by another model', async () => {
  const source = join(folder, 'other.gguf');
  writeFileSync(source, tinyLlamaGguf({ seed: 2 }));
  await using store = createModelStore({ directory: join(folder, 'store') });
  const conflict = optimizeModel(source, {
    ...{ text, store, name: 'tiny-8', target: 'Q8_0', minSpeedup: 0, threads: 1 },
  });
  await expect(conflict).rejects.toMatchObject({ code: 'MODEL_CONFLICT' });
  expect(readdirSync(folder).sort()).toEqual(['other.gguf', 'store', 'tiny.gguf']);
});
