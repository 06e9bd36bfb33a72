import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MobillmError, type ModelFiles, probeHardware } from '@mobillm/core';
import { describeCompiler, writeTinyLlamaGguf } from '@mobillm/core/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMlcCompiler } from '../src/compile/index.js';
import { createMlcEngine } from '../src/index.js';
import { runLibrary } from './support/compiled.js';
import { temporaryFolder } from './support/models.js';
import { ReferenceLlama } from './support/reference-llama.js';

const folder = temporaryFolder();
const source = join(folder, 'tiny.gguf');
const compiler = createMlcCompiler();
const tokens = Array.from({ length: 60 }, (_, i) => (i * 37 + 11) % 256);
/** A prompt in two steps, a step shorter than a block of rows, and single tokens. */
const chunks = [tokens.slice(0, 41), tokens.slice(41, 57), tokens.slice(57, 59), tokens.slice(59)];
const ends = [40, 56, 58, 59];

let compiled: ModelFiles;

beforeAll(async () => {
  await writeTinyLlamaGguf(source);
  compiled = await compiler.compile(source, {
    folder: join(folder, 'f32'),
    compilerOptions: { quantization: 'f32' },
  });
});

const largestDifference = (a: readonly number[], b: ArrayLike<number>) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

const json = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(folder, 'f32', name), 'utf8'));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return MobillmError.is(error) ? error.code : String(error);
}

describeCompiler('the compiler for MLC', {
  createCompiler: createMlcCompiler,
  compilerOptions: [
    { contextTokens: 64, chunkTokens: 16 },
    { contextTokens: 64, chunkTokens: 32 },
  ],
  stepUnderWay: 'generating code',
  async expectToOpen(files, { chunkTokens }) {
    const { metadata } = await runLibrary(dirname(files.files[0]!.path), []);
    expect(metadata.prefill_chunk_size).toBe(chunkTokens);
    // What was cut short would be found by the engine, which compares checksums.
    const engine = await createMlcEngine();
    const model = await engine.open(files);
    await model.generate({ prompt: 'a', maxTokens: 2 });
    await engine.close();
  },
});

describe('a compiled model', () => {
  it('is a folder with all that the engine needs, its configuration first', async () => {
    expect(compiled.format).toBe('mlc');
    expect(compiled.files.map(({ path, role }) => [path.slice(folder.length + 5), role])).toEqual([
      ['mlc-chat-config.json', 'weights'],
      ['model.so', 'library'],
      ['params_shard_0.bin', 'weights'],
      ['tensor-cache.json', 'config'],
      ['tokenizer.json', 'tokenizer'],
      ['tokenizer_config.json', 'config'],
    ]);
    for (const file of compiled.files) expect((await stat(file.path)).size).toBe(file.fileBytes);
  });

  it('names its source, its target and its library', async () => {
    const { mobillm, ...rest } = (await json('mlc-chat-config.json')) as Record<string, never>;
    const library = compiled.files.find(({ role }) => role === 'library');
    expect(rest).toMatchObject({ model_type: 'llama', quantization: 'f32', vocab_size: 267 });
    expect(mobillm).toMatchObject({
      formatVersion: 1,
      ropePairing: 'neox',
      derivedFrom: {
        architecture: 'llama',
        sourceSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      },
      library: { file: 'model.so', bytes: library?.fileBytes },
      parameters: { layers: 2, heads: 4, kvHeads: 2, headLength: 16, trainedContextTokens: 2048 },
    });
    expect(mobillm?.['target']).toMatchObject({
      triple: expect.stringContaining('linux-gnu') as string,
    });
  });

  it('computes what the model in double precision computes, however the prompt is cut', async () => {
    const expected = (await ReferenceLlama.open(source)).logits(tokens);
    const { logits, metadata } = await runLibrary(join(folder, 'f32'), chunks);
    for (const [i, end] of ends.entries()) {
      expect(largestDifference(logits[i]!, expected[end]!)).toBeLessThan(2e-5);
    }
    expect(metadata).toMatchObject({ prefill_chunk_size: 512, context_window_size: 2048 });
    expect(metadata.memory_usage).toEqual({
      embed: expect.any(Number) as number,
      prefill: expect.any(Number) as number,
      decode: expect.any(Number) as number,
    });
  });

  it('comes out near it in 4 bits', async () => {
    const expected = (await ReferenceLlama.open(source)).logits(tokens);
    const options = { folder: join(folder, 'q4'), compilerOptions: { quantization: 'q4f32' } };
    await compiler.compile(source, options);
    const { logits } = await runLibrary(join(folder, 'q4'), chunks);
    for (const [i, end] of ends.entries()) {
      const reference = expected[end]!;
      const error = logits[i]!.reduce((total, value, k) => total + (value - reference[k]!) ** 2, 0);
      const square = reference.reduce((total, value) => total + value ** 2, 0);
      // Random weights are the worst case: 16 levels leave 7 % of each matrix's energy unsaid.
      expect(Math.sqrt(error / square)).toBeGreaterThan(0.02);
      expect(Math.sqrt(error / square)).toBeLessThan(0.3);
    }
  });
});

describe('compiling', () => {
  it('writes over nothing that it did not make', async () => {
    const parent = temporaryFolder();
    await writeFile(join(parent, 'letters.txt'), 'mine');
    expect(await codeOf(compiler.compile(source, { folder: parent }))).toBe('IO_FAILED');
    expect(await readdir(parent)).toEqual(['letters.txt']);
  });

  it('says what a machine lacks', async () => {
    const to = { folder: join(temporaryFolder(), 'model') };
    const pythonless = createMlcCompiler({ python: '/nowhere/python3' });
    expect(await codeOf(pythonless.compile(source, to))).toBe('UNSUPPORTED');
    const linkerless = createMlcCompiler({ defaults: { linker: 'no-such-compiler' } });
    const error: unknown = await linkerless.compile(source, to).catch((reason: unknown) => reason);
    expect(MobillmError.is(error, 'UNSUPPORTED')).toBe(true);
    expect(String(error)).toContain('no-such-compiler');
    expect(await readdir(join(to.folder, '..'))).toEqual([]);
  });

  it('refuses a context that the model was not trained for', async () => {
    const to = { folder: join(temporaryFolder(), 'model') };
    const long = { ...to, compilerOptions: { contextTokens: 4096 } };
    await expect(compiler.compile(source, long)).rejects.toThrow('at most 2048');
  });

  it('compiles for another machine as far as linking', async () => {
    // There is no linker for it here; that LLVM made code for it is what the linker then refuses.
    const target = { triple: 'aarch64-unknown-linux-gnu', cpu: 'generic', features: ['+neon'] };
    const to = { folder: join(temporaryFolder(), 'model'), compilerOptions: { target } };
    const error: unknown = await compiler.compile(source, to).catch((reason: unknown) => reason);
    expect(MobillmError.is(error, 'NATIVE_FAILURE')).toBe(true);
    expect((error as MobillmError).details['output']).toMatch(
      /incompatible|wrong format|Relocations/,
    );
  });

  it('estimates without reading anything', async () => {
    const description = { parameterCount: 1e9, layers: 16 } as never;
    const estimate = compiler.estimate(description, await probeHardware());
    expect(estimate.outputBytes).toBe(633_000_000);
    expect(estimate.seconds).toBeGreaterThan(5);
    expect(estimate.peakMemoryBytes).toBeGreaterThan(5e8);
  });
});
