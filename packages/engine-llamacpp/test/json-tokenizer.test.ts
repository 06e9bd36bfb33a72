import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type ByteSource,
  createJsonTokenizer,
  type GgufVocabulary,
  MobillmError,
  readGgufVocabulary,
  type Tokenizer,
  toTokenizerJson,
  validateGguf,
} from '@mobillm/core';
import { describeTokenizer, writeGguf } from '@mobillm/core/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { defaultModelPath, filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);
const fetchSource = fileURLToPath(new URL('../scripts/fetch-source.mjs', import.meta.url));
const models = join(
  execFileSync(process.execPath, [fetchSource], { encoding: 'utf8' }).trim(),
  'models',
);
const isVocabulary = /^ggml-vocab-.*\.gguf$/;
/** Kinds of vocabularies that have no merges, or merges of another sort. */
const otherKinds = /bert|gemma-4/;
/** Cut and merge as others do. */
const alike = /command-r|mpt|gpt-neox|refact|qwen35|phi-3/;
const vocabularies = existsSync(models)
  ? readdirSync(models).filter((name) => isVocabulary.test(name) && !otherKinds.test(name))
  : [];

const readVocabulary = async (path: string): Promise<GgufVocabulary> => {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const source: ByteSource = {
      byteLength: size,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead);
      },
      close: () => Promise.resolve(),
    };
    return await readGgufVocabulary(source, await validateGguf(source));
  } finally {
    await file.close();
  }
};

const openLlamaCpp = async (path: string) => {
  const driver = await createLlamaCppDriver();
  return driver.open(filesOf(path), {
    contextTokens: 32,
    sequences: 1,
    threads: 1,
    engineOptions: {},
  });
};

/** A model of one layer around a vocabulary, since llama.cpp's addon opens whole models. */
async function writeModelAround(vocabulary: GgufVocabulary, path: string): Promise<void> {
  const u32 = (value: number) => ({ type: 'uint32', value }) as const;
  const length = 32;
  const numbers = (elementType: 'int32' | 'float32', values: ArrayLike<number> | undefined) =>
    values === undefined
      ? undefined
      : ({ type: 'array', elementType, value: Array.from(values) } as const);
  const token = (value: number | undefined) => (value === undefined ? undefined : u32(value));
  const weights = (name: string, ...shape: number[]) => ({
    name: `${name}.weight`,
    type: 'F32',
    shape,
    data: new Uint8Array(shape.reduce((product, extent) => product * extent, 4)),
  });
  const matrices = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  const bytes = writeGguf({
    metadata: {
      'general.architecture': 'llama',
      'llama.context_length': u32(64),
      'llama.embedding_length': u32(length),
      'llama.block_count': u32(1),
      'llama.feed_forward_length': u32(length),
      'llama.attention.head_count': u32(1),
      'llama.attention.head_count_kv': u32(1),
      'llama.attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-5 },
      'tokenizer.ggml.model': vocabulary.model,
      'tokenizer.ggml.pre': vocabulary.pre,
      'tokenizer.ggml.tokens': vocabulary.tokens,
      'tokenizer.ggml.token_type': numbers('int32', vocabulary.tokenTypes),
      'tokenizer.ggml.scores': numbers('float32', vocabulary.scores),
      'tokenizer.ggml.merges': vocabulary.merges,
      'tokenizer.ggml.bos_token_id': token(vocabulary.bosToken),
      'tokenizer.ggml.eos_token_id': token(vocabulary.eosToken),
      'tokenizer.ggml.unknown_token_id': token(vocabulary.unknownToken),
      'tokenizer.ggml.add_bos_token': vocabulary.addsBosToken,
      'tokenizer.ggml.add_eos_token': vocabulary.addsEosToken,
      'tokenizer.ggml.add_space_prefix': vocabulary.addsSpacePrefix,
    },
    tensors: [
      weights('token_embd', length, vocabulary.tokens.length),
      weights('blk.0.attn_norm', length),
      ...matrices.map((name) => weights(`blk.0.${name}`, length, length)),
      weights('blk.0.ffn_norm', length),
      weights('output_norm', length),
    ],
  });
  await writeFile(path, bytes);
}

const codePoint = fc
  .oneof(
    fc.integer({ min: 0, max: 0x2fff }),
    fc.integer({ min: 0x3000, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0xffff }),
    fc.integer({ min: 0x1d400, max: 0x1d7ff }),
    fc.integer({ min: 0x1f000, max: 0x1f9ff }),
    fc.integer({ min: 0x20000, max: 0x2a6df }),
  )
  .map((code) => String.fromCodePoint(code));

/** Texts of what tokenizers differ in: white space, digits, contractions, scripts, odd characters. */
const fragment = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: codePoint, maxLength: 8 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 12 }) },
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    ...[
      ' ',
      '  ',
      '    ',
      '\n',
      '\r\n',
      '\n\n',
      '\t',
      ' \n ',
      '\u00a0',
      '\u0085',
      '\ufeff',
      '\u2028',
    ],
    ...["'s", "'LL", "'ve", "'t", "n't", '’s', 'İ', 'ſ', 'K'],
    ...[
      'hello',
      ' world',
      'The',
      ' quick',
      'ing',
      'function',
      '_name',
      '()',
      ';',
      '==',
      '...',
      '!?',
    ],
    ...['0', '12', '345', '1234567', '３', '½', '٣', '²'],
    ...['漢字', '한국어', 'ひらがな', 'العربية', 'हिन्दी', 'ไทย', 'é', 'e\u0301', 'ß', 'Ω'],
    ...['👩‍👩‍👧‍👦', '🇪🇺', '\u{1F9D1}\u200D\u{1F4BB}', '▁', '▁▁', 'Ġ', '\u0000', '\u0001'],
    ...['<|im_start|>', '<|im_end|>', '<s>', '</s>', '<unk>', '<|endoftext|>', '<0x0A>', '[PAD]'],
  ),
  fc
    .tuple(fc.constantFrom(' ', '\n', 'a', '=', '0', '-', '.', 'ha', '▁', '\t'), fc.nat(70))
    .map(([unit, count]) => unit.repeat(count)),
);
/**
 * Left out are characters that came with editions of Unicode after llama.cpp's (15.0): Node knows them as
 * letters, llama.cpp does not.
 */
const unsettled =
  /[^\0-\u{100FF}\u{1D400}-\u{1D7FF}\u{1F000}-\u{1F9FF}\u{20000}-\u{2A6DF}]|\p{Cn}|[\u0870-\u089F\u0C5C\u0CDC]|[\u1AB0-\u1AFF]|[\u1C80-\u1C8F]|[\u20C0-\u20CF]|[\u2FF0-\u2FFF\u31C0-\u31EF\uA7C0-\uA7FF\uFBC0-\uFBD2\uFD90-\uFDCF]/gu;
const text = fc
  .array(fragment, { maxLength: 12 })
  .map((parts) => parts.join('').replace(unsettled, ''));

/** Says what llama.cpp's tokenizer says, over `runs` texts. */
function describeEquality(
  name: string,
  prepare: () => Promise<{ readonly vocabulary: GgufVocabulary; readonly path: string }>,
  runs: number,
): void {
  describe(`the JSON tokenizer of ${name}`, () => {
    let own: Tokenizer;
    let theirs: Tokenizer;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const { vocabulary, path } = await prepare();
      own = await createJsonTokenizer(toTokenizerJson(vocabulary));
      const model = await openLlamaCpp(path);
      theirs = model.tokenizer;
      close = () => model.close();
    }, 60_000);
    afterAll(() => close());

    it('encodes every text to the tokens of llama.cpp', () => {
      fc.assert(
        fc.property(text, fc.boolean(), fc.boolean(), (input, addSpecial, parseSpecial) => {
          const options = { addSpecial, parseSpecial };
          const tokens = own.encode(input, options);
          expect(tokens).toEqual(theirs.encode(input, options));
          expect(own.decode(tokens)).toBe(theirs.decode(tokens));
        }),
        { numRuns: runs },
      );
    }, 120_000);

    it('has the same special tokens, ends and beginnings', () => {
      expect(own.vocabularySize).toBe(theirs.vocabularySize);
      expect(own.bosToken).toBe(theirs.bosToken);
      expect(own.eosToken).toBe(theirs.eosToken);
      expect(own.addsBosToken).toBe(theirs.addsBosToken);
      expect([...own.endTokens].sort()).toEqual([...theirs.endTokens].sort());
      expect(own.specialTokens).toEqual(theirs.specialTokens);
    });

    it('has the same bytes for every token', () => {
      const different: unknown[] = [];
      for (let token = 0; token < own.vocabularySize; token++) {
        for (const showSpecial of [false, true]) {
          const bytes = own.tokenBytes(token, { showSpecial });
          const expected = theirs.tokenBytes(token, { showSpecial });
          // llama.cpp's note on a spelling in characters that stand for no bytes.
          if (Buffer.from(expected).toString().startsWith('[UNK_BYTE_')) continue;
          if (Buffer.compare(bytes, expected) !== 0) different.push({ token, bytes, expected });
        }
      }
      expect(different).toEqual([]);
    }, 60_000);
  });
}

describeEquality(
  'SmolLM2-135M',
  async () => ({ vocabulary: await readVocabulary(defaultModelPath), path: defaultModelPath }),
  3000,
);
describeEquality(
  'the tiny model',
  async () => ({ vocabulary: await readVocabulary(tinyPath), path: tinyPath }),
  3000,
);
for (const vocabulary of vocabularies.filter((name) => !alike.test(name))) {
  describeEquality(
    vocabulary,
    async () => {
      const read = await readVocabulary(join(models, vocabulary));
      const path = join(folder, vocabulary);
      await writeModelAround(read, path);
      return { vocabulary: read, path };
    },
    1500,
  );
}

describe("llama.cpp's own test vectors", () => {
  const vectors = vocabularies.filter((name) => existsSync(join(models, `${name}.inp`)));

  it('are there', () => {
    // A source tree that somebody named may have been stripped of them.
    if (process.env['MOBILLM_LLAMA_CPP_DIR'] === undefined) expect(vectors.length).toBe(13);
  });

  it.each(vectors)('come out for %s', async (name) => {
    const path = join(models, name);
    const texts = readFileSync(`${path}.inp`, 'utf8').split('\n__ggml_vocab_test__\n');
    // The last separator ends the file.
    if (texts.at(-1) === '') texts.pop();
    const rows = readFileSync(`${path}.out`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').filter(Boolean).map(Number));
    const tokenizer = await createJsonTokenizer(toTokenizerJson(await readVocabulary(path)));
    expect(texts.length).toBeGreaterThan(10);
    expect(texts.map((input) => tokenizer.encode(input))).toEqual(rows);
  });
});

const openJson = (path: string) => async () => {
  let closed = false;
  const tokenizer = await createJsonTokenizer({
    ...toTokenizerJson(await readVocabulary(path)),
    requireOpen: () => {
      if (closed) throw new MobillmError('CLOSED', 'The model was closed.');
    },
  });
  return { tokenizer, close: async () => void (closed = true) };
};

describeTokenizer('the JSON tokenizer of SmolLM2-135M', { open: openJson(defaultModelPath) });
describeTokenizer('the JSON tokenizer of the tiny model', { open: openJson(tinyPath) });
const spm = 'ggml-vocab-llama-spm.gguf';
if (vocabularies.includes(spm)) {
  describeTokenizer(`the JSON tokenizer of ${spm}`, {
    open: openJson(join(models, spm)),
    // It puts a space before every text.
    lossless: false,
  });
}
