import { boolean, callback, optionsObject, record } from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import { AddedTokenSplitter } from './added-token-splitter.js';
import {
  byteCharacters,
  byteOfFallback,
  bytesOfCharacters,
  fallbackSpelling,
} from './byte-characters.js';
import { BytePairEncoder } from './byte-pair-encoder.js';
import { requireToken, requireWellFormed } from './check-text.js';
import { type ParsedTokenizer, parseTokenizerJson } from './parse-tokenizer-json.js';
import { createTextSplitter, type TextSplitter } from './text-splitter.js';
import { readTokenRoles, type TokenRoles } from './tokenizer-config.js';
import type { DecodeOptions, EncodeOptions, SpecialToken, Token, Tokenizer } from './tokenizer.js';

/** What {@link createJsonTokenizer} makes a tokenizer of. */
export interface JsonTokenizerOptions {
  /** Content of `tokenizer.json`. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** Content of `tokenizer_config.json`; see `TokenizerFiles` for a key of our own. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Throws `CLOSED` once what the tokenizer belongs to was closed; called first by every method. */
  readonly requireOpen?: () => void;
}

const checkCreate = optionsObject({
  tokenizer: record,
  config: record,
  requireOpen: callback<() => void>(),
});
const checkEncode = optionsObject({ addSpecial: boolean, parseSpecial: boolean });
const checkDecode = optionsObject({ showSpecial: boolean });

/**
 * A tokenizer of byte-pair encoding from the files that Hugging Face's tokenizers have, for engines
 * whose library has none. The files may be anybody's: counts and references are checked, and regular
 * expressions have to be among those in use.
 *
 * @throws MobillmError `MODEL_INVALID` when the files contradict themselves; `MODEL_UNSUPPORTED` for
 * other kinds of tokenizers, and steps or expressions that are not known.
 */
export async function createJsonTokenizer(options: JsonTokenizerOptions): Promise<Tokenizer> {
  const { tokenizer, config, requireOpen = () => undefined } = checkCreate(options, 'options');
  if (tokenizer === undefined) throw wrongType('options.tokenizer', 'an object', undefined);
  if (config === undefined) throw wrongType('options.config', 'an object', undefined);
  const parsed = parseTokenizerJson(tokenizer);
  const splitter = await createTextSplitter(tokenizer);
  const encoder = await BytePairEncoder.create({
    vocabulary: parsed.vocabulary,
    merges: parsed.merges(),
    mergeCount: parsed.mergeCount,
    ignoreMerges: parsed.ignoreMerges,
    unknown: unknownCharacters(parsed),
  });
  const roles = readTokenRoles(tokenizer, config, parsed);
  return new JsonTokenizer(parsed, roles, splitter, encoder, requireOpen);
}

/** How characters without a token of their own are encoded. */
function unknownCharacters({
  vocabulary,
  byteFallback,
  unknownToken,
}: ParsedTokenizer): (character: string) => readonly number[] {
  const nothing = unknownToken === undefined ? [] : [unknownToken];
  if (!byteFallback) return () => nothing;
  const encoder = new TextEncoder();
  return (character) => {
    const tokens = Array.from(encoder.encode(character), (byte) =>
      vocabulary.get(fallbackSpelling(byte)),
    );
    return tokens.some((token) => token === undefined) ? nothing : (tokens as number[]);
  };
}

class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bosToken: Token | undefined;
  readonly eosToken: Token | undefined;
  readonly addsBosToken: boolean;
  readonly endTokens: ReadonlySet<Token>;
  readonly specialTokens: readonly SpecialToken[];
  readonly #parsed: ParsedTokenizer;
  readonly #roles: TokenRoles;
  readonly #splitter: TextSplitter;
  readonly #encoder: BytePairEncoder;
  readonly #requireOpen: () => void;
  readonly #added: AddedTokenSplitter;
  readonly #special: ReadonlySet<Token>;
  readonly #verbatim: ReadonlySet<Token>;
  readonly #bytes: Uint8Array[] = [];
  readonly #addsSpace: boolean;

  constructor(
    parsed: ParsedTokenizer,
    roles: TokenRoles,
    splitter: TextSplitter,
    encoder: BytePairEncoder,
    requireOpen: () => void,
  ) {
    const { addedTokens, spellings } = parsed;
    this.#parsed = parsed;
    this.#roles = roles;
    this.#splitter = splitter;
    this.#encoder = encoder;
    this.#added = new AddedTokenSplitter(addedTokens);
    this.#special = new Set(addedTokens.filter((a) => a.special).map(({ token }) => token));
    this.#verbatim = new Set(addedTokens.map(({ token }) => token));
    this.vocabularySize = spellings.length;
    this.bosToken = roles.bosToken;
    this.eosToken = roles.eosToken;
    this.addsBosToken = roles.bosToken !== undefined && roles.prefix[0] === roles.bosToken;
    this.endTokens = roles.endTokens;
    this.specialTokens = addedTokens
      .filter(({ special }) => special)
      .map(({ token, text }) => ({ token, text }))
      .sort((a, b) => a.token - b.token);
    // Whether a space goes before every text: the files say it in several ways, a letter in one.
    const [letter] = this.#encode('a', false);
    this.#addsSpace = letter !== undefined && this.#bytesOf(letter, false)[0] === 0x20;
    this.#requireOpen = requireOpen;
  }

  encode(text: string, options?: EncodeOptions): Token[] {
    this.#requireOpen();
    requireWellFormed(text, 'text');
    const { addSpecial = false, parseSpecial = false } = checkEncode(options, 'options');
    const tokens = this.#encode(text, parseSpecial);
    return addSpecial ? [...this.#roles.prefix, ...tokens, ...this.#roles.suffix] : tokens;
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Token[][] {
    return texts.map((text) => this.encode(text, options));
  }

  decode(tokens: Iterable<Token>, options?: DecodeOptions): string {
    this.#requireOpen();
    const { showSpecial = false } = checkDecode(options, 'options');
    const pieces = Array.from(tokens, (token, index) => {
      requireToken(token, this.vocabularySize, `tokens[${index}]`);
      const bytes = this.#bytesOf(token, showSpecial);
      return index === 0 && this.#addsSpace && bytes[0] === 0x20 ? bytes.subarray(1) : bytes;
    });
    const text = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const piece of pieces) {
      text.set(piece, offset);
      offset += piece.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(text);
  }

  tokenBytes(token: Token, options?: DecodeOptions): Uint8Array {
    this.#requireOpen();
    const { showSpecial = false } = checkDecode(options, 'options');
    requireToken(token, this.vocabularySize);
    return this.#bytesOf(token, showSpecial).slice();
  }

  #encode(text: string, parseSpecial: boolean): Token[] {
    const tokens: Token[] = [];
    this.#added.split(text, parseSpecial).forEach((section, index) => {
      if (typeof section !== 'string') {
        tokens.push(section.token);
        return;
      }
      for (const word of this.#splitter.words(section, index === 0)) {
        this.#encoder.encode(this.#splitter.spellBytes ? spellBytes(word) : word, tokens);
      }
    });
    return tokens;
  }

  #bytesOf(token: Token, showSpecial: boolean): Uint8Array {
    if (!showSpecial && this.#special.has(token)) return nothing;
    return (this.#bytes[token] ??= this.#spelledBytes(token));
  }

  #spelledBytes(token: Token): Uint8Array {
    const spelling = this.#parsed.spellings[token] ?? '';
    const encoder = new TextEncoder();
    if (this.#verbatim.has(token)) return encoder.encode(spelling);
    if (this.#parsed.spelling === 'byte-characters') {
      return bytesOfCharacters(spelling) ?? encoder.encode(spelling);
    }
    const byte = this.#parsed.byteFallback ? byteOfFallback(spelling) : undefined;
    if (byte !== undefined) return Uint8Array.of(byte);
    return encoder.encode(spelling.replaceAll('▁', ' '));
  }
}

const nothing = new Uint8Array(0);
const utf8 = new TextEncoder();

function spellBytes(word: string): string {
  let spelled = '';
  for (const byte of utf8.encode(word)) spelled += byteCharacters[byte] ?? '';
  return spelled;
}
