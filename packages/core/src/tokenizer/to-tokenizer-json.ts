import { MobillmError } from '../errors/mobillm-error.js';
import { impossibleMetadata } from '../gguf/gguf-errors.js';
import { ggufTokenTypes, type GgufVocabulary } from '../gguf/read-vocabulary.js';
import { byteCharacters, fallbackSpelling } from './byte-characters.js';
import { preTokenizers } from './pre-tokenizers.js';
import { sentencePieceMerges } from './sentencepiece-merges.js';
import { TokenTable } from './token-table.js';

/** Content of the two files in which Hugging Face's tokenizers are kept. */
export interface TokenizerFiles {
  /** Content of `tokenizer.json`: vocabulary, merges, how texts are cut. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /**
   * Content of `tokenizer_config.json`: special tokens and the chat template. `end_tokens`, which is
   * ours, lists the spellings of all tokens that end a generation.
   */
  readonly config: Readonly<Record<string, unknown>>;
}

const mergesKey = 'tokenizer.ggml.merges';
/** What SentencePiece writes for a space. */
const space = '▁';

/**
 * Makes the files of a Hugging Face tokenizer from the vocabulary of a GGUF file: of byte-level BPE
 * (`gpt2`) and of SentencePiece (`llama`). They encode to the tokens to which llama.cpp encodes, with
 * one difference on purpose: merging never makes a special token from plain text.
 *
 * Works for up to a second on the largest vocabularies; call it where a model is compiled.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` for another kind of vocabulary or an unknown way to cut
 * texts, with its name in `details`; `MODEL_INVALID` for one that contradicts itself: two equal tokens,
 * missing bytes, merges of what is no token.
 */
export function toTokenizerJson(vocabulary: GgufVocabulary): TokenizerFiles {
  const { model } = vocabulary;
  if (model !== 'gpt2' && model !== 'llama') {
    throw unsupported(
      `a tokenizer of the kind "${model}"`,
      { model },
      'Byte-level BPE ("gpt2") and SentencePiece ("llama") can be.',
    );
  }
  const tokens = new TokenTable(vocabulary);
  const parts =
    model === 'gpt2' ? bytePairs(vocabulary, tokens) : sentencePieces(vocabulary, tokens);
  const bos = tokens.spelling(vocabulary.bosToken ?? (model === 'llama' ? 1 : undefined));
  const eos = tokens.spelling(vocabulary.eosToken ?? (model === 'llama' ? 2 : undefined));
  const addsBos = (vocabulary.addsBosToken ?? parts.addsBos) && bos !== undefined;
  const addsEos = (vocabulary.addsEosToken ?? false) && eos !== undefined;
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: tokens.addedTokens(),
      normalizer: parts.normalizer,
      pre_tokenizer: parts.preTokenizer,
      post_processor: postProcessor(tokens, addsBos ? bos : undefined, addsEos ? eos : undefined),
      decoder: parts.decoder,
      model: parts.model,
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...(bos === undefined ? {} : { bos_token: bos }),
      ...(eos === undefined ? {} : { eos_token: eos }),
      ...present('unk_token', tokens.spelling(vocabulary.unknownToken)),
      ...present('pad_token', tokens.spelling(vocabulary.padToken)),
      add_bos_token: addsBos,
      add_eos_token: addsEos,
      clean_up_tokenization_spaces: false,
      end_tokens: tokens.endTokens(eos),
      ...present('chat_template', vocabulary.chatTemplate),
    },
  };
}

interface ModelParts {
  readonly model: object;
  readonly normalizer: object | null;
  readonly preTokenizer: object | null;
  readonly decoder: object;
  readonly addsBos: boolean;
}

function bytePairs(vocabulary: GgufVocabulary, tokens: TokenTable): ModelParts {
  const name = vocabulary.pre ?? 'default';
  const preTokenizer = preTokenizers.get(name);
  if (preTokenizer === undefined) {
    throw unsupported(`the pre-tokenizer "${name}"`, { pre: name });
  }
  // Real vocabularies lack bytes that are rare in texts, and drop those; never these.
  for (const [byte, character] of byteCharacters.entries()) {
    const indispensable = (byte >= 0x20 && byte < 0x7f) || byte === 0x0a;
    if (indispensable && !tokens.bySpelling.has(character)) {
      throw impossibleMetadata(TokenTable.key, `lacks a token for the byte ${byte}`);
    }
  }
  const split = preTokenizer.patterns.map((Regex) => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
    invert: false,
  }));
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: false,
    use_regex: false,
  };
  return {
    // What makes Qwen's texts NFC is left out, as llama.cpp leaves it out: a text comes back as it was.
    normalizer: null,
    preTokenizer: { type: 'Sequence', pretokenizers: [...split, byteLevel] },
    decoder: byteLevel,
    addsBos: preTokenizer.addsBos ?? false,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: preTokenizer.ignoreMerges ?? false,
      vocab: tokens.vocab(),
      merges: checkedMerges(vocabulary, tokens),
    },
  };
}

/** The merges without repetitions, of which the first counts. */
function checkedMerges({ merges }: GgufVocabulary, tokens: TokenTable): string[] {
  if (merges === undefined) throw impossibleMetadata(mergesKey, 'is missing');
  const unique = new Set<string>();
  for (const merge of merges) {
    const at = merge.indexOf(' ', 1);
    const left = merge.slice(0, Math.max(at, 0));
    const right = merge.slice(at + 1);
    for (const piece of [left, right, left + right]) {
      if (!tokens.bySpelling.has(piece)) {
        throw impossibleMetadata(
          mergesKey,
          `has the merge ${JSON.stringify(merge.slice(0, 100))}, of which ${JSON.stringify(piece.slice(0, 100))} is no token`,
        );
      }
    }
    unique.add(merge);
  }
  return [...unique];
}

function sentencePieces(vocabulary: GgufVocabulary, tokens: TokenTable): ModelParts {
  const { scores } = vocabulary;
  if (scores === undefined) throw impossibleMetadata('tokenizer.ggml.scores', 'is missing');
  for (let byte = 0; byte < 256; byte++) {
    if (!tokens.bySpelling.has(fallbackSpelling(byte))) {
      throw impossibleMetadata(TokenTable.key, `lacks a token for the byte ${byte}`);
    }
  }
  const pieces = new Map(
    [...tokens.bySpelling].filter(
      ([, token]) => !tokens.isSpecial(token) && tokens.type(token) !== ggufTokenTypes.byte,
    ),
  );
  const prefix = vocabulary.addsSpacePrefix ?? true;
  const unknown = tokens.spelling(vocabulary.unknownToken ?? 0);
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(prefix ? [{ type: 'Prepend', prepend: space }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: space },
      ],
    },
    preTokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: space }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    addsBos: true,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: tokens.vocab(),
      merges: sentencePieceMerges(pieces, scores),
    },
  };
}

function postProcessor(
  tokens: TokenTable,
  bos: string | undefined,
  eos: string | undefined,
): object | null {
  const around = [bos, eos].filter((spelling) => spelling !== undefined);
  if (around.length === 0) return null;
  const special = (id: string | undefined, type_id: number) =>
    id === undefined ? [] : [{ SpecialToken: { id, type_id } }];
  const sequence = (id: 'A' | 'B', type_id: number) => [
    ...special(bos, type_id),
    { Sequence: { id, type_id } },
    ...special(eos, type_id),
  ];
  return {
    type: 'TemplateProcessing',
    single: sequence('A', 0),
    pair: [...sequence('A', 0), ...sequence('B', 1)],
    special_tokens: Object.fromEntries(
      around.map((id) => [id, { id, ids: [tokens.bySpelling.get(id)], tokens: [id] }]),
    ),
  };
}

const present = (key: string, value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { [key]: value };

function unsupported(
  what: string,
  details: Readonly<Record<string, string>>,
  advice = 'Use an engine with a tokenizer of its own, such as llama.cpp.',
): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `This model has ${what}, which cannot be written as a tokenizer.json. ${advice}`,
    { details },
  );
}
