import { describe, expect, it } from 'vitest';
import type { GgufVocabulary } from '../../src/gguf/read-vocabulary.js';
import { createJsonTokenizer } from '../../src/tokenizer/json-tokenizer.js';
import { toTokenizerJson } from '../../src/tokenizer/to-tokenizer-json.js';
import { spmVocabulary, tinyVocabulary } from './vocabularies.js';

type Json = Record<string, unknown>;

describe('the files of a byte-level vocabulary', () => {
  it('name its special tokens, its ends and its template', async () => {
    const vocabulary = await tinyVocabulary();
    const { tokenizer, config } = toTokenizerJson(vocabulary);
    expect(config).toEqual({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<|endoftext|>',
      eos_token: '<|im_end|>',
      add_bos_token: false,
      add_eos_token: false,
      clean_up_tokenization_spaces: false,
      end_tokens: ['<|endoftext|>', '<|im_end|>'],
      chat_template: vocabulary.chatTemplate,
    });
    const model = tokenizer['model'] as Json;
    expect(model['merges']).toEqual(vocabulary.merges);
    expect(Object.keys(model['vocab'] as Json)).toHaveLength(267);
    expect((tokenizer['added_tokens'] as Json[]).map(({ id, special }) => [id, special])).toEqual([
      [264, true],
      [265, true],
      [266, true],
    ]);
    expect(tokenizer['post_processor']).toBeNull();
  });

  it('survive being written and read', async () => {
    const { tokenizer, config } = toTokenizerJson(await tinyVocabulary());
    const again = await createJsonTokenizer({
      tokenizer: JSON.parse(JSON.stringify(tokenizer)) as Json,
      config: JSON.parse(JSON.stringify(config)) as Json,
    });
    expect(again.decode(again.encode('the rain in the sea'))).toBe('the rain in the sea');
  });

  it('put tokens around texts where the vocabulary does', async () => {
    const files = toTokenizerJson(await tinyVocabulary({ addsBosToken: true, addsEosToken: true }));
    const tokenizer = await createJsonTokenizer(files);
    expect(tokenizer.addsBosToken).toBe(true);
    const [letter] = tokenizer.encode('a');
    expect(tokenizer.encode('a', { addSpecial: true })).toEqual([264, letter, 266]);
    // Where the config is silent, as in files of others, the template says the same.
    const { add_bos_token: _bos, add_eos_token: _eos, ...silent } = files.config;
    const other = await createJsonTokenizer({ tokenizer: files.tokenizer, config: silent });
    expect(other.encode('', { addSpecial: true })).toEqual([264, 266]);
  });

  it('add the beginning that Llama 3 wants without saying so', async () => {
    // This file says that it does not.
    const vocabulary = await tinyVocabulary({ pre: 'llama-bpe' });
    expect(toTokenizerJson(vocabulary).config['add_bos_token']).toBe(false);
    const { addsBosToken: _, ...silent } = vocabulary;
    expect(toTokenizerJson(silent).config['add_bos_token']).toBe(true);
  });

  it('keep tokens whose names mean something in JavaScript', async () => {
    const vocabulary = await tinyVocabulary();
    const tokens = [...vocabulary.tokens, '__proto__', 'constructor'];
    const tokenTypes = [...Array.from(vocabulary.tokenTypes), 4, 4];
    const { tokenizer, config } = toTokenizerJson({ ...vocabulary, tokens, tokenTypes });
    const made = await createJsonTokenizer({
      tokenizer: JSON.parse(JSON.stringify(tokenizer)) as Json,
      config,
    });
    expect(made.encode('__proto__constructor')).toEqual([267, 268]);
  });

  it('name empty tokens by their number', async () => {
    const vocabulary = await tinyVocabulary();
    const tokens = [...vocabulary.tokens, '', ''];
    const { tokenizer } = toTokenizerJson({ ...vocabulary, tokens });
    const { vocab } = tokenizer['model'] as { vocab: Json };
    expect([vocab['[EMPTY_267]'], vocab['[EMPTY_268]']]).toEqual([267, 268]);
  });
});

describe('a vocabulary that cannot be', () => {
  const invalid = async (
    change: (vocabulary: GgufVocabulary) => Partial<GgufVocabulary>,
    key: string,
  ) => {
    const vocabulary = await tinyVocabulary();
    expect(() => toTokenizerJson({ ...vocabulary, ...change(vocabulary) })).toThrow(
      expect.objectContaining({
        code: 'MODEL_INVALID',
        details: expect.objectContaining({ key }) as unknown,
      }),
    );
  };

  it('has two equal tokens', async () => {
    await invalid(({ tokens }) => ({ tokens: [...tokens, 'a'] }), 'tokenizer.ggml.tokens');
  });

  it('lacks a byte of plain text', async () => {
    await invalid(
      ({ tokens }) => ({ tokens: tokens.map((token) => (token === 'q' ? 'qqq' : token)) }),
      'tokenizer.ggml.tokens',
    );
  });

  it.each(['a zz', 'zz a', 'q q', 'q', '', ' ', 'a  b'])('has the merge %j', async (merge) => {
    await invalid(({ merges = [] }) => ({ merges: [...merges, merge] }), 'tokenizer.ggml.merges');
  });

  it('has no merges at all', async () => {
    const { merges: _, ...without } = await tinyVocabulary();
    expect(() => toTokenizerJson(without)).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });

  it('lacks a byte to fall back to', () => {
    const { tokens } = spmVocabulary();
    const lacking = tokens.map((token) => (token === '<0x41>' ? '<0x4>' : token));
    expect(() => toTokenizerJson(spmVocabulary({ tokens: lacking }))).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });

  it('has a score that is no number', () => {
    const scores = spmVocabulary().tokens.map(() => NaN);
    expect(() => toTokenizerJson(spmVocabulary({ scores }))).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });

  it('has pieces whose ways to be made nobody can look through', () => {
    const long = Array.from({ length: 40_000 }, (_, i) => `${i}`.padEnd(256, 'x'));
    const tokens = [...spmVocabulary().tokens, ...long];
    expect(() => toTokenizerJson(spmVocabulary({ tokens }))).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });

  it('has a piece of a megabyte', () => {
    const tokens = [...spmVocabulary().tokens, 'x'.repeat(2 ** 20)];
    expect(() => toTokenizerJson(spmVocabulary({ tokens }))).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    );
  });
});

describe('a vocabulary of another kind', () => {
  it('is named', async () => {
    const vocabulary = await tinyVocabulary({ model: 'bert' });
    expect(() => toTokenizerJson(vocabulary)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', details: { model: 'bert' } }),
    );
  });

  it.each(['kimi-k2', 'made-up', '__proto__', 'constructor'])(
    'is named by its pre-tokenizer %s',
    async (pre) => {
      const vocabulary = await tinyVocabulary({ pre });
      expect(() => toTokenizerJson(vocabulary)).toThrow(
        expect.objectContaining({ code: 'MODEL_UNSUPPORTED', details: { pre } }),
      );
    },
  );
});

describe('the files of a SentencePiece vocabulary', () => {
  const make = (change: Partial<GgufVocabulary> = {}) =>
    createJsonTokenizer(toTokenizerJson(spmVocabulary(change)));

  it('merge by score', async () => {
    const tokenizer = await make();
    const { tokens } = spmVocabulary();
    const spell = (text: string) => tokenizer.encode(text).map((token) => tokens[token]);
    expect(spell('hello world')).toEqual(['▁hello', '▁world']);
    expect(spell('hell')).toEqual(['▁he', 'll']);
    expect(spell('aaaa')).toEqual(['▁', 'aa', 'aa']);
    expect(spell('x漢😀')).toEqual(['▁', '<0x78>', '漢', '😀']);
    expect(spell('é')).toEqual(['▁', '<0xC3>', '<0xA9>']);
  });

  it('put a space before a text, and take it away again', async () => {
    const tokenizer = await make();
    expect(tokenizer.decode(tokenizer.encode('hello x é'))).toBe('hello x é');
    expect(tokenizer.decode(tokenizer.encode('  hello'))).toBe('  hello');
    const without = await make({ addsSpacePrefix: false });
    expect(without.decode(without.encode(' hello'))).toBe(' hello');
    expect(without.encode('he').length).toBe(1);
  });

  it('never merge plain text to a special token', async () => {
    // With these pieces, merging would pass through "</" and "</s" to the end token itself.
    const { tokens, tokenTypes, scores } = spmVocabulary();
    const more = ['<', '/', 's', '>', '</', '</s'];
    const tokenizer = await make({
      tokens: [...tokens, ...more],
      tokenTypes: [...Array.from(tokenTypes), ...more.map(() => 1)],
      scores: [...Array.from(scores!), ...more.map((_, index) => -100 - index)],
    });
    expect(tokenizer.encode('</s>')).not.toContain(2);
    expect(tokenizer.encode('</s>', { parseSpecial: true })).toEqual([2]);
  });
});
