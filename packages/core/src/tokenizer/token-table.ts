import { impossibleMetadata } from '../gguf/gguf-errors.js';
import { ggufTokenTypes, type GgufVocabulary } from '../gguf/read-vocabulary.js';
import { endingSpellings, isSpecialSpelling } from './special-spellings.js';

/** The tokens of a GGUF vocabulary by number and by spelling, which no two share. */
export class TokenTable {
  /** Where a file has them. */
  static readonly key = 'tokenizer.ggml.tokens';
  /** Spellings by token, none of them empty. */
  readonly spellings: readonly string[];
  /** Tokens by spelling. */
  readonly bySpelling = new Map<string, number>();
  readonly #vocabulary: GgufVocabulary;

  constructor(vocabulary: GgufVocabulary) {
    this.#vocabulary = vocabulary;
    // llama.cpp's names for empty tokens, of which there may be several.
    this.spellings = vocabulary.tokens.map((text, token) =>
      text === '' ? `[EMPTY_${token}]` : text,
    );
    for (const [token, spelling] of this.spellings.entries()) {
      const other = this.bySpelling.get(spelling);
      if (other !== undefined) {
        throw impossibleMetadata(
          TokenTable.key,
          `spells the tokens ${other} and ${token} the same: ${JSON.stringify(spelling.slice(0, 100))}`,
        );
      }
      this.bySpelling.set(spelling, token);
    }
  }

  /** Its kind, see {@link ggufTokenTypes}. */
  type(token: number): number {
    return this.#vocabulary.tokenTypes[token] ?? ggufTokenTypes.normal;
  }

  /** The spelling of a token that may not exist. */
  spelling(token: number | undefined): string | undefined {
    return token === undefined ? undefined : this.spellings[token];
  }

  /** Whether it is a special token, which no plain text becomes. */
  isSpecial(token: number): boolean {
    const type = this.type(token);
    return (
      type === ggufTokenTypes.control ||
      type === ggufTokenTypes.unknown ||
      isSpecialSpelling(this.spellings[token] ?? '')
    );
  }

  /** The `added_tokens` of a `tokenizer.json`: what is found in texts before all else. */
  addedTokens(): object[] {
    return this.spellings.flatMap((content, id) => {
      const special = this.isSpecial(id);
      if (!special && this.type(id) !== ggufTokenTypes.userDefined) return [];
      return [
        {
          id,
          content,
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special,
        },
      ];
    });
  }

  /** Spellings after which a generation ends. */
  endTokens(eos: string | undefined): string[] {
    const { eotToken, eomToken, fimEndTokens } = this.#vocabulary;
    const named = [eotToken, eomToken, ...fimEndTokens].map((token) => this.spelling(token));
    const ends = endingSpellings(this.spellings);
    for (const end of [eos, ...named]) if (end !== undefined) ends.add(end);
    return [...ends];
  }

  /** The `vocab` of a `tokenizer.json`. */
  vocab(): Record<string, number> {
    return Object.fromEntries(this.bySpelling);
  }
}
