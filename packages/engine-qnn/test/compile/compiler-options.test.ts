import type { CompileOptions } from '@mobillm/core';
import { describe, expect, it } from 'vitest';
import { createQnnCompiler } from '../../src/compile/index.js';
import { resolveCompileOptions } from '../../src/compile/compiler-options.js';

describe("the compiler's options", () => {
  it('have defaults that a short-lived model keeps to', () => {
    expect(resolveCompileOptions({}, 2048)).toEqual({
      chunkTokens: 32,
      contextTokens: 512,
      shareWeights: false,
    });
    expect(resolveCompileOptions({}, 128).contextTokens).toBe(128);
  });

  it.each([
    [{ contextTokens: 4096 }, 'compilerOptions.contextTokens'],
    [{ contextTokens: 64, chunkTokens: 64 }, 'compilerOptions.chunkTokens'],
  ])('refuse %j for a model that was trained for 2048 tokens', (options, key) => {
    expect(() => resolveCompileOptions(options, 2048)).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'INVALID_ARGUMENT', key }),
    );
  });

  it.each([
    [{}, 'folder'],
    [{ folder: '' }, 'folder'],
    [{ folder: '/x', onProgress: 1 }, 'onProgress'],
    [{ folder: '/x', chunkTokens: 32 }, 'chunkTokens'],
    [{ folder: '/x', compilerOptions: { chunkTokens: 1 } }, 'compilerOptions.chunkTokens'],
    [{ folder: '/x', compilerOptions: { chunks: 1 } }, 'compilerOptions.chunks'],
    [{ folder: '/x', compilerOptions: { socModel: 'SM8650' } }, 'compilerOptions.socModel'],
  ])('refuse %j, naming the key', async (options, key) => {
    const compiling = createQnnCompiler().compile('/none.gguf', options as CompileOptions);
    await expect(compiling).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', key });
  });

  it.each([
    [{ libraries: '' }, 'libraries'],
    [{ libraries: { backend: '/a' } }, 'libraries.system'],
    [{ library: '/a' }, 'library'],
  ])('of the factory refuse %j, naming the key', (options, key) => {
    expect(() => createQnnCompiler(options as object)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key }),
    );
  });
});
