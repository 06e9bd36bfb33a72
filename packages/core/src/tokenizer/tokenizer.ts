/** A token's number in its model's vocabulary: an integer from 0 to `vocabularySize - 1`. */
export type Token = number;

/** A token that is not text: it opens and closes turns, ends generation, marks tools. */
export interface SpecialToken {
  /** Its number. */
  readonly token: Token;
  /** Its spelling, as a chat template writes it: `<|im_end|>`. */
  readonly text: string;
}

/** How `encode` reads a text. */
export interface EncodeOptions {
  /**
   * Adds the tokens that the model's own configuration puts around a text (a beginning-of-sequence
   * token, for most models that have one). Default `false`.
   */
  readonly addSpecial?: boolean;
  /**
   * Reads the spelling of a special token as that token. Leave it `false` (the default) for text
   * from users: then `<|im_end|>` is eight or so plain tokens and closes nothing.
   */
  readonly parseSpecial?: boolean;
}

/** How `encodeAsync` reads texts. */
export interface EncodeAsyncOptions extends EncodeOptions {
  /** Rejects the call with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How `decode` writes tokens. */
export interface DecodeOptions {
  /** Writes the spelling of special tokens; they are left out by default. */
  readonly showSpecial?: boolean;
}

/**
 * Turns text into tokens and back. All calls but `encodeAsync` are synchronous, and take about a
 * millisecond for every few thousand characters.
 */
export interface Tokenizer {
  /** Number of tokens in the vocabulary. */
  readonly vocabularySize: number;
  /** The beginning-of-sequence token, if the model has one. */
  readonly bosToken: Token | undefined;
  /** The end-of-sequence token, if the model has one; also in `endTokens`. */
  readonly eosToken: Token | undefined;
  /** Whether a sequence has to begin with `bosToken`. */
  readonly addsBosToken: boolean;
  /** Tokens that end a generation (end of turn, end of text); at least one for a chat model. */
  readonly endTokens: ReadonlySet<Token>;
  /** Every special token, by its number. */
  readonly specialTokens: readonly SpecialToken[];

  /**
   * Encodes a text.
   *
   * @throws InvalidArgument when the text is not a string or holds a lone surrogate.
   * @throws MobillmError `CLOSED` after the model was closed.
   */
  encode(text: string, options?: EncodeOptions): Token[];

  /**
   * Encodes several texts with the same options; the result has one row a text. Where a tokenizer has
   * threads of its own, this is faster than text by text.
   *
   * @throws InvalidArgument naming the text (`texts[2]`); `CLOSED` as `encode` does.
   */
  encodeBatch(texts: readonly string[], options?: EncodeOptions): Token[][];

  /**
   * Encodes texts as `encodeBatch` does, but not on the calling thread: for texts that would take
   * longer than it may be kept. Tokenizers without threads of their own do not have it.
   *
   * @returns one row a text. It rejects with what `encodeBatch` throws, and with the reason of an
   * abort.
   */
  encodeAsync?(texts: readonly string[], options?: EncodeAsyncOptions): Promise<Token[][]>;

  /**
   * Decodes tokens to text. Bytes that are not UTF-8 (a character cut in half) become U+FFFD; use
   * `tokenBytes` to keep them.
   *
   * @throws InvalidArgument for a token outside the vocabulary.
   */
  decode(tokens: Iterable<Token>, options?: DecodeOptions): string;

  /**
   * The bytes that one token stands for in the middle of a text; empty for a special token unless
   * `showSpecial`.
   *
   * @throws InvalidArgument for a token outside the vocabulary.
   */
  tokenBytes(token: Token, options?: DecodeOptions): Uint8Array;
}
