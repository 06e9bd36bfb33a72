import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { readGgufVocabulary } from '../../src/gguf/read-vocabulary.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { type GgufWriterInput, writeGguf } from '../../src/testing/gguf-writer.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { createJsonTokenizer } from '../../src/tokenizer/json-tokenizer.js';
import { toTokenizerJson } from '../../src/tokenizer/to-tokenizer-json.js';
import { memorySource } from './memory-source.js';

async function read(bytes: Uint8Array) {
  const { source } = memorySource(bytes);
  return readGgufVocabulary(source, await validateGguf(source));
}
const u32 = (value: number) => ({ type: 'uint32', value }) as const;
const write = (metadata: GgufWriterInput['metadata']) =>
  writeGguf({
    metadata: {
      'general.architecture': 'other',
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.add_bos_token': false,
      ...metadata,
    },
  });

describe('a vocabulary is read', () => {
  it('as the file says it', async () => {
    const vocabulary = await read(tinyLlamaGguf());
    expect(vocabulary).toMatchObject({
      model: 'gpt2',
      pre: 'gpt-2',
      bosToken: 264,
      eosToken: 266,
      addsBosToken: false,
      fimEndTokens: [],
    });
    expect(vocabulary.tokens).toHaveLength(267);
    expect(vocabulary.tokens.slice(-3)).toEqual(['<|endoftext|>', '<|im_start|>', '<|im_end|>']);
    expect(Array.from(vocabulary.tokenTypes).slice(262)).toEqual([1, 1, 3, 3, 3]);
    expect(vocabulary.merges).toHaveLength(8);
    expect(vocabulary.chatTemplate).toContain('<|im_start|>');
    expect(Object.keys(vocabulary)).not.toContain('scores');
    expect(Object.keys(vocabulary)).not.toContain('eotToken');
  });

  it('with a byte-order mark, and in pieces when it is large', async () => {
    const tokens = Array.from({ length: 50_000 }, (_, token) => `\ufeff token ${token}`);
    const scores = tokens.map((_, token) => -token);
    const bytes = write({
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.scores': { type: 'array', elementType: 'float32', value: scores },
    });
    const { source, reads } = memorySource(bytes);
    const layout = await validateGguf(source);
    const before = reads.length;
    const vocabulary = await readGgufVocabulary(source, layout);
    expect(vocabulary.tokens).toEqual(tokens);
    expect(Array.from(vocabulary.scores!)).toEqual(scores);
    expect(reads.slice(before).length).toBeGreaterThan(5);
    expect(Math.max(...reads)).toBeLessThanOrEqual(128 * 1024);
  });

  it('without special tokens that do not exist', async () => {
    const vocabulary = await read(
      write({
        'tokenizer.ggml.tokens': ['a', 'b'],
        'tokenizer.ggml.bos_token_id': u32(0),
        'tokenizer.ggml.eos_token_id': u32(1),
        'tokenizer.ggml.padding_token_id': u32(0xffff_ffff),
        'tokenizer.ggml.unknown_token_id': u32(2),
      }),
    );
    expect(vocabulary.eosToken).toBe(1);
    expect(vocabulary.padToken).toBeUndefined();
    expect(vocabulary.unknownToken).toBeUndefined();
    expect(Array.from(vocabulary.tokenTypes)).toEqual([1, 1]);
  });

  it('until its signal says stop', async () => {
    const { source } = memorySource(tinyLlamaGguf());
    const layout = await validateGguf(source);
    const reason = new Error('enough');
    await expect(
      readGgufVocabulary(source, layout, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});

describe('MODEL_INVALID, with the key, when', () => {
  const refused = async (metadata: GgufWriterInput['metadata'], key: string) => {
    await expect(read(write(metadata))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      details: { key },
    });
  };
  const tokens = { 'tokenizer.ggml.tokens': ['a', 'b'] };

  it('there is no vocabulary', async () => {
    await refused({}, 'tokenizer.ggml.tokens');
    await refused({ ...tokens, 'tokenizer.ggml.model': undefined }, 'tokenizer.ggml.model');
  });

  it('an array has the wrong type', async () => {
    const numbers = { type: 'array', elementType: 'int64', value: [1n, 1n] } as const;
    await refused({ ...tokens, 'tokenizer.ggml.token_type': numbers }, 'tokenizer.ggml.token_type');
    await refused(
      { ...tokens, 'tokenizer.ggml.token_type': ['a', 'b'] },
      'tokenizer.ggml.token_type',
    );
    await refused({ ...tokens, 'tokenizer.ggml.merges': numbers }, 'tokenizer.ggml.merges');
    await refused({ ...tokens, 'tokenizer.ggml.scores': u32(1) }, 'tokenizer.ggml.scores');
  });

  it('an array is too short', async () => {
    const one = { type: 'array', elementType: 'float32', value: [1] } as const;
    await refused({ ...tokens, 'tokenizer.ggml.scores': one }, 'tokenizer.ggml.scores');
  });

  it('the file was replaced since its header was checked', async () => {
    const { source } = memorySource(write({ 'tokenizer.ggml.tokens': ['aaaa', 'bbbb'] }));
    const layout = await validateGguf(source);
    const other = memorySource(write({ 'tokenizer.ggml.tokens': ['aaaabbbbcccc'] }));
    await expect(readGgufVocabulary(other.source, layout)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
    });
  });
});

it('whatever the bytes, a tokenizer is made or refused with a code', async () => {
  const tiny = tinyLlamaGguf();
  const made = { tokenizers: 0, errors: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(7000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      async (changes) => {
        const bytes = tiny.slice();
        for (const [offset, value] of changes) bytes[offset] = value;
        try {
          const tokenizer = await createJsonTokenizer(toTokenizerJson(await read(bytes)));
          tokenizer.decode(tokenizer.encode('the <|im_end|> é'));
          made.tokenizers += 1;
        } catch (error) {
          if (!MobillmError.is(error)) throw error;
          expect(['MODEL_INVALID', 'MODEL_UNSUPPORTED']).toContain(error.code);
          made.errors += 1;
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(made.tokenizers).toBeGreaterThan(20);
  expect(made.errors).toBeGreaterThan(20);
});
