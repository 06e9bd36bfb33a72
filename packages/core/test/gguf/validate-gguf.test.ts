import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { writeGguf, type GgufWriterInput } from '../../src/testing/gguf-writer.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { memorySource } from './memory-source.js';

const validate = (bytes: Uint8Array, byteLength?: number) =>
  validateGguf(memorySource(bytes, byteLength).source);

async function refusal(bytes: Uint8Array, byteLength?: number): Promise<MobillmError> {
  const error: unknown = await validate(bytes, byteLength).catch((reason: unknown) => reason);
  expect(MobillmError.is(error) ? error.code : error).toBe('MODEL_INVALID');
  return error as MobillmError;
}

const text = (value: string) => new TextEncoder().encode(value);
const f32 = (name: string, shape: number[], bytes?: number) => ({
  name,
  type: 'F32',
  shape,
  data: new Uint8Array(bytes ?? shape.reduce((a, b) => a * b, 4)),
});
/** Changes the bytes at an offset. */
function patch(bytes: Uint8Array, offset: number, value: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(value, offset);
  return copy;
}
/** Where a text lies. */
function find(bytes: Uint8Array, needle: string): number {
  return Buffer.from(bytes).indexOf(needle);
}

describe('a sound file', () => {
  it('is laid out as it was written', async () => {
    const bytes = writeGguf({
      alignment: 64,
      metadata: {
        'general.name': 'ünï',
        flag: true,
        small: { type: 'int8', value: -5 },
        large: { type: 'uint64', value: 2n ** 60n },
        half: { type: 'float64', value: 0.5 },
        many: { type: 'array', elementType: 'int32', value: [1, -2, 3] },
        words: ['a', 'bc'],
        long: { type: 'array', elementType: 'uint8', value: new Array<number>(1025).fill(7) },
      },
      tensors: [
        f32('a', [3]),
        { name: 'b.weight', type: 'Q4_1', shape: [64, 2], data: new Uint8Array(80) },
      ],
    });
    const layout = await validate(bytes);
    expect(layout).toMatchObject({ version: 3, alignment: 64, byteLength: bytes.byteLength });
    expect(
      [...layout.metadata].map(([key, { value, elements }]) => [key, value ?? elements]),
    ).toEqual([
      ['general.alignment', 64],
      ['general.name', 'ünï'],
      ['flag', true],
      ['small', -5],
      ['large', 2n ** 60n],
      ['half', 0.5],
      ['many', [1, -2, 3]],
      ['words', undefined],
      ['long', undefined],
    ]);
    expect(layout.metadata.get('words')).toMatchObject({ elementType: 'string', elementCount: 2 });
    expect(layout.dataOffset % 64).toBe(0);
    expect(layout.tensors).toMatchObject([
      { name: 'a', shape: [3], elementCount: 3, byteLength: 12, offset: layout.dataOffset },
      { name: 'b.weight', elementCount: 128, byteLength: 80, offset: layout.dataOffset + 64 },
    ]);
  });

  it('is read in pieces of at most 128 KiB, its tensors not at all', async () => {
    const tokens = Array.from({ length: 40_000 }, (_, index) => `token ${index}`);
    const bytes = tinyLlamaGguf({
      metadata: { 'tokenizer.ggml.tokens': tokens, extra: 'é'.repeat(90_000) },
    });
    const { source, reads } = memorySource(bytes);
    const layout = await validateGguf(source);
    expect(layout.metadata.get('extra')?.value).toBe('é'.repeat(90_000));
    // The one string that is kept and longer than a piece is read whole.
    expect(reads.filter((length) => length > 128 * 1024)).toEqual([180_000]);
    expect(reads.reduce((sum, length) => sum + length, 0)).toBeLessThan(bytes.byteLength * 1.5);
  });

  it('may have no tensors, and then ends with its header', async () => {
    const bytes = writeGguf({ metadata: { 'general.architecture': 'llama' } });
    expect((await validate(bytes)).tensors).toEqual([]);
  });

  it('stops reading when aborted', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(validateGguf(memorySource(tinyLlamaGguf()).source, { signal })).rejects.toBe(
      reason,
    );
  });

  it('options of a wrong name are refused', async () => {
    const call = validateGguf(memorySource(tinyLlamaGguf()).source, { sgnal: 1 } as object);
    await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', key: 'options.sgnal' });
  });
});

describe('a file that is not GGUF is told by what it is', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'is empty (0 bytes)'],
    ['a web page', text('\n<!DOCTYPE html><html>Not found'), 'web page'],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\noid'), 'git lfs pull'],
    ['a PyTorch archive', text('PK\x03\x04 archive/data.pkl'), 'zip archive'],
    ['safetensors', Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22), 'safetensors'],
    ['a model from before GGUF', text('tjgg and so on'), 'before GGUF'],
    ['an error in JSON', text('{"error":"not found"}'), 'JSON'],
    ['zeros', new Uint8Array(100), 'never finished'],
    ['a pickle', Uint8Array.of(0x80, 2, 0x7d, 0x71), 'pickle'],
    ['a gzip archive', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), 'archive'],
    ['something else', text('hello'), '68 65 6c 6c'],
    ['two bytes', text('GG'), '47 47'],
    ['a big-endian file', patch(tinyLlamaGguf(), 4, [0, 0, 0, 3]), 'big-endian'],
    ['version 1', patch(tinyLlamaGguf(), 4, [1, 0, 0, 0]), 'version 1;'],
    ['version 4', patch(tinyLlamaGguf(), 4, [4, 0, 0, 0]), 'version 4;'],
  ])('%s', async (_, bytes, part) => {
    expect((await refusal(bytes)).message).toContain(part);
  });
});

describe('a truncated file is told with both sizes', () => {
  it.each([20, 100, 1000, 6000])('after %i bytes, within the header', async (length) => {
    const error = await refusal(tinyLlamaGguf().subarray(0, length));
    expect(error.details).toMatchObject({ what: 'truncated', actualBytes: length });
    expect(error.details['expectedBytes']).toBeGreaterThan(length);
  });

  it('by one byte, within the last tensor', async () => {
    const whole = tinyLlamaGguf();
    const error = await refusal(whole.subarray(0, whole.byteLength - 1));
    expect(error.details).toEqual({
      what: 'truncated',
      offset: whole.byteLength - 1,
      actualBytes: whole.byteLength - 1,
      expectedBytes: whole.byteLength,
    });
  });

  it('when it shrinks while it is read', async () => {
    const error = await refusal(tinyLlamaGguf().subarray(0, 2000), 400_000);
    expect(error.details).toMatchObject({ what: 'truncated' });
  });
});

describe('a damaged header is refused', () => {
  const tiny = tinyLlamaGguf();
  const huge = [255, 255, 255, 255, 255, 255, 255, 255];
  const layoutOf = (input: GgufWriterInput) => writeGguf(input);
  it.each<[string, Uint8Array, string]>([
    ['a number of entries beyond all bounds', patch(tiny, 16, huge), 'number of metadata entries'],
    [
      'more entries than readers can take',
      patch(tiny, 16, [1, 64, 0, 0, 0, 0, 0, 0]),
      '16385 metadata',
    ],
    ['a number of tensors beyond all bounds', patch(tiny, 8, huge), 'number of tensors'],
    [
      'more tensors than readers can take',
      patch(tiny, 8, [1, 0, 1, 0, 0, 0, 0, 0]),
      '65537 tensors',
    ],
    ['a key of 2^64 bytes', patch(tiny, 24, huge), 'the length of a metadata key'],
    ['a key of 70000 bytes', layoutOf({ metadata: { ['k'.repeat(70_000)]: true } }), '70000 bytes'],
    ['an empty key', layoutOf({ metadata: { '': 'nothing' } }), 'a metadata key is empty'],
    ['a key that is no ASCII', layoutOf({ metadata: { kéy: true } }), 'not printable ASCII'],
    ['a type that does not exist', patch(tiny, find(tiny, 'general.name') + 12, [99]), 'type 99'],
    [
      'an array of arrays',
      layoutOf({ metadata: { a: { type: 'array', elementType: 'array' as 'int8', value: [] } } }),
      'array of arrays',
    ],
    [
      'an array of 2^40 strings',
      patch(tiny, find(tiny, 'tokenizer.ggml.merges') + 21 + 8, [0, 0, 0, 0, 0, 1, 0, 0]),
      'claims 1099511627776 elements',
    ],
    ['a tensor name of 64 bytes', layoutOf({ tensors: [f32('t'.repeat(64), [1])] }), '64 bytes'],
    [
      'two tensors of one name',
      layoutOf({ tensors: [f32('t', [1]), f32('t', [1])] }),
      'two tensors',
    ],
    ['five dimensions', layoutOf({ tensors: [f32('t', [1, 1, 1, 1, 1])] }), '5 dimensions'],
    ['a dimension of 0', layoutOf({ tensors: [f32('t', [4, 0], 0)] }), 'impossible shape 4 × 0'],
    [
      'a product beyond the safe integers',
      layoutOf({ tensors: [f32('t', [2 ** 30, 2 ** 30], 0)] }),
      'impossible shape',
    ],
    [
      'a row that is no whole number of blocks',
      layoutOf({ tensors: [{ name: 't', type: 'Q4_0', shape: [33], data: new Uint8Array(36) }] }),
      'not a multiple of the 32 of Q4_0',
    ],
    [
      'a withdrawn number format',
      layoutOf({ tensors: [{ name: 't', type: '4', shape: [32], data: new Uint8Array(36) }] }),
      'number format 4',
    ],
    ['an alignment of 0', layoutOf({ alignment: 0, tensors: [] }), 'alignment is 0'],
    ['an alignment of 48', layoutOf({ alignment: 48, tensors: [] }), 'alignment is 48'],
    [
      'an alignment of a wrong type',
      layoutOf({ metadata: { 'general.alignment': 'wide' } }),
      'alignment is wide',
    ],
  ])('%s', async (_, bytes, part) => {
    expect((await refusal(bytes)).message).toContain(part);
  });

  it('a key that stands twice', async () => {
    const bytes = writeGguf({ metadata: { 'key.a': true, 'key.b': true } });
    const error = await refusal(patch(bytes, find(bytes, 'key.b'), [...text('key.a')]));
    expect(error.message).toContain('"key.a" stands twice');
  });

  it('tensors that overlap or leave a gap', async () => {
    const bytes = writeGguf({ tensors: [f32('t0', [8]), f32('t1', [8])] });
    const offsetOfSecond = find(bytes, 't1') + 2 + 4 + 8 + 4;
    for (const offset of [0, 31, 64]) {
      const error = await refusal(patch(bytes, offsetOfSecond, [offset]));
      expect(error.message).toContain(`starts at byte ${offset} of the tensor data and not at 32`);
    }
  });

  it('a claim of a gigabyte is refused by what the file has, before anything is read for it', async () => {
    const bytes = patch(
      tiny,
      find(tiny, 'tokenizer.ggml.merges') + 21 + 8,
      [0, 0, 0, 32, 0, 0, 0, 0],
    );
    const { source, reads } = memorySource(bytes);
    await expect(validateGguf(source)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    expect(Math.max(...reads)).toBeLessThanOrEqual(128 * 1024);
  });
});
