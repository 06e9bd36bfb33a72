import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { describeTokenizer } from '../../src/testing/describe-tokenizer.js';
import { createJsonTokenizer } from '../../src/tokenizer/json-tokenizer.js';
import { toTokenizerJson } from '../../src/tokenizer/to-tokenizer-json.js';
import { spmVocabulary, tinyVocabulary } from './vocabularies.js';

type Json = Record<string, unknown>;

const openWith = (files: () => Promise<{ tokenizer: Json; config: Json }>) => async () => {
  let closed = false;
  const tokenizer = await createJsonTokenizer({
    ...(await files()),
    requireOpen() {
      if (closed) throw new MobillmError('CLOSED', 'The model was closed.');
    },
  });
  return { tokenizer, close: async () => void (closed = true) };
};

describeTokenizer('a byte-level JSON tokenizer', {
  open: openWith(async () => toTokenizerJson(await tinyVocabulary())),
});
describeTokenizer('a SentencePiece JSON tokenizer', {
  open: openWith(() => Promise.resolve(toTokenizerJson(spmVocabulary()))),
  lossless: false,
});

/** The files of the tiny model, to be changed as others write theirs. */
async function files(): Promise<{
  tokenizer: Json & { model: Json; added_tokens: Json[] };
  config: Json;
}> {
  return structuredClone(toTokenizerJson(await tinyVocabulary())) as never;
}

describe('files that others wrote', () => {
  it('may list merges as pairs', async () => {
    const { tokenizer, config } = await files();
    const pairs = (tokenizer.model['merges'] as string[]).map((merge) => merge.split(' '));
    const own = await createJsonTokenizer({ tokenizer, config });
    const other = await createJsonTokenizer({
      tokenizer: { ...tokenizer, model: { ...tokenizer.model, merges: pairs } },
      config,
    });
    const text = 'the other sinners in there';
    expect(other.encode(text)).toEqual(own.encode(text));
  });

  it('may leave the cutting to the byte-level step', async () => {
    const { tokenizer, config } = await files();
    const own = await createJsonTokenizer({ tokenizer, config });
    const other = await createJsonTokenizer({
      tokenizer: { ...tokenizer, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false } },
      config,
    });
    const text = "it's 42 \u0085\u0085 o'clock\ufeff  in the\n\n sea ";
    expect(other.encode(text)).toEqual(own.encode(text));
  });

  it('may cut digits one by one', async () => {
    const { tokenizer, config } = await files();
    tokenizer.model['vocab'] = { ...(tokenizer.model['vocab'] as Json), '12': 267 };
    tokenizer.model['merges'] = ['1 2'];
    const byteLevel = { type: 'ByteLevel', add_prefix_space: false };
    const digits = { type: 'Digits', individual_digits: true };
    const whole = await createJsonTokenizer({ tokenizer, config });
    const single = await createJsonTokenizer({
      tokenizer: {
        ...tokenizer,
        pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, byteLevel] },
      },
      config,
    });
    expect(whole.encode('12')).toEqual([267]);
    expect(single.encode('12')).toEqual([whole.encode('1')[0], whole.encode('2')[0]]);
  });

  it('may have tokens that take white space along', async () => {
    const { tokenizer, config } = await files();
    const strip = (lstrip: boolean, rstrip: boolean) =>
      createJsonTokenizer({
        tokenizer: {
          ...tokenizer,
          added_tokens: tokenizer.added_tokens.map((token) => ({ ...token, lstrip, rstrip })),
        },
        config,
      });
    const text = 'a <|im_end|> \n b';
    const decode = async (lstrip: boolean, rstrip: boolean) => {
      const made = await strip(lstrip, rstrip);
      return made.decode(made.encode(text, { parseSpecial: true }));
    };
    expect(await decode(false, false)).toBe('a  \n b');
    expect(await decode(true, false)).toBe('a \n b');
    expect(await decode(false, true)).toBe('a b');
    expect(await decode(true, true)).toBe('ab');
  });

  it('may name special tokens as objects, and no end tokens at all', async () => {
    const { tokenizer } = await files();
    const made = await createJsonTokenizer({
      tokenizer,
      config: { bos_token: { content: '<|im_start|>' }, eos_token: '<|endoftext|>' },
    });
    expect(made.bosToken).toBe(265);
    expect(made.eosToken).toBe(264);
    expect([...made.endTokens].sort()).toEqual([264, 266]);
    expect(made.addsBosToken).toBe(false);
  });

  it('may have holes between numbers', async () => {
    const { tokenizer, config } = await files();
    tokenizer.added_tokens.push({ id: 300, content: '<tool>', special: false });
    const made = await createJsonTokenizer({ tokenizer, config });
    expect(made.vocabularySize).toBe(301);
    expect(made.encode('<tool>')).toEqual([300]);
    expect(made.decode([280, 300])).toBe('<tool>');
    expect(made.tokenBytes(280)).toEqual(new Uint8Array(0));
  });

  it('may put the space of SentencePiece before the first piece alone', async () => {
    const { tokenizer, config } = toTokenizerJson(spmVocabulary());
    const made = await createJsonTokenizer({
      tokenizer: {
        ...tokenizer,
        normalizer: null,
        pre_tokenizer: {
          type: 'Metaspace',
          replacement: '▁',
          prepend_scheme: 'first',
          split: false,
        },
        decoder: { type: 'Metaspace' },
      },
      config,
    });
    expect(made.decode(made.encode('hello world'))).toBe('hello world');
    const [, , after] = made.encode('he</s>he', { parseSpecial: true });
    expect(made.decode([after!])).toBe('he');
  });
});

describe('files that cannot be used', () => {
  const refused = async (
    code: string,
    change: (files: {
      tokenizer: Json & { model: Json; added_tokens: Json[] };
      config: Json;
    }) => void,
  ) => {
    const given = await files();
    change(given);
    await expect(createJsonTokenizer(given)).rejects.toMatchObject({ code });
  };

  it.each<[string, (tokenizer: Json & { model: Json; added_tokens: Json[] }) => void]>([
    ['no model', (tokenizer) => Object.assign(tokenizer, { model: undefined })],
    ['no vocabulary', ({ model }) => (model['vocab'] = [])],
    [
      'an empty vocabulary',
      (tokenizer) => {
        tokenizer.model['vocab'] = {};
        tokenizer.added_tokens = [];
      },
    ],
    ['a token below zero', ({ model }) => ((model['vocab'] as Json)['x'] = -1)],
    ['half a token', ({ model }) => ((model['vocab'] as Json)['x'] = 1.5)],
    ['a token beyond all measure', ({ model }) => ((model['vocab'] as Json)['xx'] = 2 ** 32)],
    ['a token that is text', ({ model }) => ((model['vocab'] as Json)['xx'] = '7')],
    ['a number twice', ({ model }) => ((model['vocab'] as Json)['xx'] = 7)],
    ['no merges', ({ model }) => (model['merges'] = { length: 5 })],
    ['a merge of one', ({ model }) => (model['merges'] = ['a'])],
    ['a merge of three', ({ model }) => (model['merges'] = ['a b c'])],
    ['a merge of numbers', ({ model }) => (model['merges'] = [[1, 2]])],
    ['a merge of strangers', ({ model }) => (model['merges'] = ['zz a'])],
    ['a merge to a stranger', ({ model }) => (model['merges'] = ['z z'])],
    ['added tokens that are none', (tokenizer) => Object.assign(tokenizer, { added_tokens: [5] })],
    [
      'an added token without spelling',
      ({ added_tokens }) => added_tokens.push({ id: 9, content: '' }),
    ],
    [
      'an endless added token',
      ({ added_tokens }) => added_tokens.push({ id: 999, content: 'x'.repeat(5000) }),
    ],
    [
      'an added token of another number',
      ({ added_tokens }) => added_tokens.push({ id: 999, content: 'a' }),
    ],
    [
      'a template of strangers',
      (tokenizer) =>
        (tokenizer['post_processor'] = {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: 'zz' } }],
        }),
    ],
  ])('contradict themselves: %s', async (_, change) => {
    await refused('MODEL_INVALID', ({ tokenizer }) => change(tokenizer));
  });

  it('name an end token that is not there', async () => {
    await refused('MODEL_INVALID', ({ config }) => (config['end_tokens'] = ['<|nothing|>']));
  });

  const split = (pattern: Json, more: Json = {}) => ({
    type: 'Split',
    pattern,
    behavior: 'Isolated',
    invert: false,
    ...more,
  });
  it.each<[string, Json]>([
    ['a unigram model', { model: { type: 'Unigram', vocab: [['a', 0]] } }],
    [
      'suffixes at the end of words',
      { model: { type: 'BPE', vocab: { a: 0 }, merges: [], end_of_word_suffix: '</w>' } },
    ],
    ['a strange normalizer', { normalizer: { type: 'Precompiled', precompiled_charsmap: '' } }],
    [
      'a normalizer that repeats what it replaces',
      { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '$`' } },
    ],
    [
      'replacements that make a letter fill the memory',
      {
        normalizer: {
          type: 'Sequence',
          normalizers: Array(8).fill({
            type: 'Replace',
            pattern: { String: 'a' },
            content: 'a'.repeat(16),
          }),
        },
      },
    ],
    [
      'thousands of steps',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: Array(64).fill({
            type: 'Sequence',
            pretokenizers: Array(64).fill({ type: 'Digits' }),
          }),
        },
      },
    ],
    [
      'post-processors without end',
      {
        post_processor: {
          type: 'Sequence',
          processors: Array(200_000).fill({
            type: 'TemplateProcessing',
            single: [{ SpecialToken: { id: 'a' } }],
          }),
        },
      },
    ],
    ['a strange pre-tokenizer', { pre_tokenizer: { type: 'UnicodeScripts' } }],
    ['an expression that never ends', { pre_tokenizer: split({ Regex: '(a+)+$' }) }],
    [
      'a split that joins',
      { pre_tokenizer: split({ String: ' ' }, { behavior: 'MergedWithPrevious' }) },
    ],
    [
      'steps nested without end',
      {
        pre_tokenizer: Array.from({ length: 9 }).reduce<Json>(
          (inner) => ({ type: 'Sequence', pretokenizers: [inner] }),
          { type: 'ByteLevel' },
        ),
      },
    ],
    ['a strange decoder', { decoder: { type: 'WordPiece' } }],
    ['a strange post-processor', { post_processor: { type: 'BertProcessing' } }],
    [
      'an added token that stands alone',
      { added_tokens: [{ id: 267, content: 'z', single_word: true }] },
    ],
  ])('are of another kind: %s', async (_, change) => {
    await refused('MODEL_UNSUPPORTED', ({ tokenizer }) => void Object.assign(tokenizer, change));
  });

  it('are no objects', async () => {
    const { tokenizer, config } = await files();
    for (const options of [{ tokenizer: [], config }, { tokenizer, config: null }, { tokenizer }]) {
      await expect(createJsonTokenizer(options as never)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
  });
});

it('takes about a millisecond for some thousands of characters', async () => {
  const tokenizer = await createJsonTokenizer(toTokenizerJson(await tinyVocabulary()));
  const text = 'The quick brown fox jumps over the lazy dog, and 42 others follow it.\n'.repeat(
    2000,
  );
  tokenizer.encode(text);
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    tokenizer.encode(text);
    return performance.now() - start;
  });
  // A twentieth of what a free machine does.
  expect(text.length / Math.min(...times)).toBeGreaterThan(200);
});
