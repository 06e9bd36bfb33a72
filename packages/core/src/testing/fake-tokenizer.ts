import { requireToken, requireWellFormed } from '../tokenizer/check-text.js';
import type {
  DecodeOptions,
  EncodeAsyncOptions,
  EncodeOptions,
  SpecialToken,
  Token,
  Tokenizer,
} from '../tokenizer/tokenizer.js';
import type { FakeFault } from './fake-faults.js';

const specialTexts = ['<|im_start|>', '<|im_end|>', '<|endoftext|>', '<think>', '</think>'];

/** Special tokens of the fake engine's vocabulary, by what they are for. */
export const fakeTokens = {
  turnStart: 256,
  turnEnd: 257,
  textEnd: 258,
  thinkOpen: 259,
  thinkClose: 260,
} as const;

/** Tokens of the fake vocabulary. */
export const fakeVocabularySize = 256 + specialTexts.length;

/** A vocabulary of the 256 bytes and five special tokens: every text has exactly one encoding. */
export class FakeTokenizer implements Tokenizer {
  readonly vocabularySize = fakeVocabularySize;
  readonly bosToken = undefined;
  readonly eosToken = fakeTokens.textEnd;
  readonly addsBosToken = false;
  readonly endTokens: ReadonlySet<Token> = new Set([fakeTokens.turnEnd, fakeTokens.textEnd]);
  readonly specialTokens: readonly SpecialToken[] = specialTexts.map((text, index) => ({
    token: 256 + index,
    text,
  }));
  readonly #fault: FakeFault | undefined;
  readonly #requireOpen: () => void;

  constructor(options: { readonly fault?: FakeFault; readonly requireOpen: () => void }) {
    this.#fault = options.fault;
    this.#requireOpen = options.requireOpen;
  }

  encode(text: string, options: EncodeOptions = {}): Token[] {
    if (this.#fault !== 'tokenizer-works-after-close') this.#requireOpen();
    if (this.#fault !== 'tokenizer-takes-lone-surrogates') requireWellFormed(text, 'text');
    const parse = options.parseSpecial === true || this.#fault === 'tokenizer-parses-user-text';
    if (!parse) return [...new TextEncoder().encode(text)];
    return text.split(specialPattern).flatMap((part) => {
      const special = this.specialTokens.find((item) => item.text === part);
      return special ? [special.token] : [...new TextEncoder().encode(part)];
    });
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Token[][] {
    return texts.map((text) => this.encode(text, options));
  }

  async encodeAsync(
    texts: readonly string[],
    options: EncodeAsyncOptions = {},
  ): Promise<Token[][]> {
    const { signal, ...own } = options;
    if (this.#fault !== 'tokenizer-ignores-abort') signal?.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#fault !== 'tokenizer-ignores-abort') signal?.throwIfAborted();
    const rows = this.encodeBatch(texts, own);
    return this.#fault === 'tokenizer-mixes-rows' ? rows.reverse() : rows;
  }

  decode(tokens: Iterable<Token>, options?: DecodeOptions): string {
    const parts = [...tokens].map((token) => this.tokenBytes(token, options));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(concat(parts));
  }

  tokenBytes(token: Token, options: DecodeOptions = {}): Uint8Array {
    this.#requireOpen();
    if (this.#fault !== 'tokenizer-takes-any-token') requireToken(token, this.vocabularySize);
    if (token < 256) {
      return Uint8Array.of(this.#fault === 'tokenizer-loses-bytes' ? token & 0x7f : token);
    }
    const text = options.showSpecial ? (specialTexts[token - 256] ?? '') : '';
    return new TextEncoder().encode(text);
  }
}

const specialPattern = new RegExp(
  `(${specialTexts.map((text) => text.replaceAll('|', '\\|')).join('|')})`,
  'u',
);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
