import { type GgufVocabulary, readGgufVocabulary } from '../../src/gguf/read-vocabulary.js';
import { validateGguf } from '../../src/gguf/validate-gguf.js';
import { tinyLlamaGguf } from '../../src/testing/tiny-llama.js';
import { fallbackSpelling } from '../../src/tokenizer/byte-characters.js';
import { memorySource } from '../gguf/memory-source.js';

/** The vocabulary of the tiny model, with changes. */
export async function tinyVocabulary(
  change: Partial<GgufVocabulary> = {},
): Promise<GgufVocabulary> {
  const { source } = memorySource(tinyLlamaGguf());
  return { ...(await readGgufVocabulary(source, await validateGguf(source))), ...change };
}

/** Pieces of {@link spmVocabulary}, the likelier the earlier. */
const pieces =
  '▁ ▁▁ ▁▁▁▁ h e l o w r d ▁h ll ▁w or he ▁he llo ▁hello ▁wor ld ▁world a b aa aaa ab 漢 😀'.split(
    ' ',
  );

/** A small SentencePiece vocabulary: three special tokens, the 256 bytes, some pieces. */
export function spmVocabulary(change: Partial<GgufVocabulary> = {}): GgufVocabulary {
  const bytes = Array.from({ length: 256 }, (_, byte) => fallbackSpelling(byte));
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces];
  return {
    model: 'llama',
    tokens,
    tokenTypes: tokens.map((_, token) => (token === 0 ? 2 : token < 3 ? 3 : token < 259 ? 6 : 1)),
    scores: tokens.map((_, token) => (token < 259 ? 0 : 259 - token)),
    bosToken: 1,
    eosToken: 2,
    unknownToken: 0,
    fimEndTokens: [],
    ...change,
  };
}
