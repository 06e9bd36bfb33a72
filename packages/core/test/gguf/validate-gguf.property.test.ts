import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { memorySource } from './memory-source.js';

const tiny = tinyLlamaGguf();
/** Bytes of the header; what lies behind is weights, which are not looked at. */
const headerBytes = 8192;

/** Whatever the bytes are: a layout that is consistent, or MODEL_INVALID, and bounded reading. */
async function holds(bytes: Uint8Array): Promise<boolean> {
  const { source, reads } = memorySource(bytes);
  const result: unknown = await validateGguf(source).catch((error: unknown) => error);
  if (reads.length > 50) return false;
  if (MobillmError.is(result)) return result.code === 'MODEL_INVALID';
  const layout = result as Awaited<ReturnType<typeof validateGguf>>;
  return layout.tensors.every(
    ({ offset, byteLength }) =>
      offset % layout.alignment === 0 &&
      offset >= layout.headerEndOffset &&
      offset + byteLength <= bytes.byteLength,
  );
}

describe('whatever the bytes, the answer is a sound layout or MODEL_INVALID', () => {
  it('any bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), holds));
  });

  it('any bytes after the magic', async () => {
    const start = tiny.subarray(0, 8);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), (rest) =>
        holds(Uint8Array.of(...start, ...rest)),
      ),
      { numRuns: 500 },
    );
  });

  it('a sound file cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: tiny.byteLength - 1 }), async (length) => {
        const error: unknown = await validateGguf(
          memorySource(tiny.subarray(0, length)).source,
        ).catch((reason: unknown) => reason);
        return MobillmError.is(error, 'MODEL_INVALID');
      }),
    );
  });

  it('a sound file with bytes changed', async () => {
    const change = fc.tuple(
      fc.integer({ min: 0, max: headerBytes }),
      fc.integer({ min: 0, max: 255 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = tiny.slice();
        for (const [offset, value] of changes) bytes[offset] = value;
        return holds(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('a sound file with numbers changed', async () => {
    const value = fc.constantFrom(
      0n,
      1n,
      0x7fffffffn,
      0xffffffffn,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n - 1n,
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 8, max: headerBytes }), value, (offset, number) => {
        const bytes = tiny.slice();
        new DataView(bytes.buffer).setBigUint64(offset, number, true);
        return holds(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('the untouched file is sound', async () => {
    expect((await validateGguf(memorySource(tiny).source)).tensors).toHaveLength(21);
  });
});
