import { cpSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine, ModelFiles } from '@mobillm/core';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { createMlcEngine } from '@mobillm/engine-mlc';
import { createQnnEngine } from '@mobillm/engine-qnn';
import { createModelStore } from '@mobillm/model-store';
import { expect, it } from 'vitest';
import { compileForMlc, compileForQnn, temporaryFolder } from './support/models.js';

const folder = temporaryFolder();
const source = join(folder, 'tiny.gguf');
await writeTinyLlamaGguf(source);

interface Case {
  readonly format: string;
  readonly compile: () => Promise<ModelFiles>;
  readonly createEngine: () => Promise<Engine>;
  readonly quantization: string;
}
const cases: readonly Case[] = [
  {
    format: 'mlc',
    compile: () => compileForMlc(source, 'stored'),
    createEngine: () => createMlcEngine(),
    quantization: 'f32',
  },
  {
    format: 'qnn-context',
    compile: () => compileForQnn(source, 'stored', { contextTokens: 256 }),
    createEngine: () => createQnnEngine(),
    quantization: 'F16',
  },
];

it.each(cases)(
  'a folder of the format $format that the store keeps is what its engine opens',
  async ({ format, compile, createEngine, quantization }) => {
    const files = await compile();
    const compiled = dirname(files.files[0]!.path);
    const [linked, moved] = [join(folder, `${format}-linked`), join(folder, `${format}-moved`)];
    for (const copy of [linked, moved]) cpSync(compiled, copy, { recursive: true });

    await using store = createModelStore({ directory: join(folder, 'store') });
    await store.add(linked, { name: `${format}-linked` });
    await store.add(moved, { name: `${format}-moved`, placement: 'move' });
    expect(existsSync(moved)).toBe(false);

    await using engine = await createEngine();
    const answer = async (opened: ModelFiles) => {
      await using model = await engine.open(opened, { contextTokens: 64, sequences: 1 });
      const { text } = await model.generate({ prompt: 'the sun', maxTokens: 6, temperature: 0 });
      return { text, info: model.info };
    };
    const expected = await answer(files);
    expect(expected.text.length).toBeGreaterThan(0);
    for (const name of [`${format}-linked`, `${format}-moved`]) {
      const stored = await store.resolve(name);
      const found = await answer(stored.files);
      expect(found.text).toBe(expected.text);
      expect(await store.verify(name)).toMatchObject({ ok: true });
      // What the store tells of a model is what its engine tells.
      const { parameterCount, weightBytes, trainedContextTokens } = found.info;
      expect(stored).toMatchObject({
        files: { format },
        description: {
          architecture: 'llama',
          quantization,
          layers: 2,
          parameterCount,
          weightBytes,
          trainedContextTokens,
          chatTemplate: expect.stringContaining('<|im_start|>') as string,
        },
      });
    }
  },
);
