import {
  check,
  type DecodeOptions,
  type EncodeOptions,
  type SpecialToken,
  type Token,
  type Tokenizer,
} from '@mobillm/core';
import { callNative, toInt32Array } from '@mobillm/core/native';
import type { NativeModel } from './addon.js';

const checkEncode = check.optionsObject({ addSpecial: check.boolean, parseSpecial: check.boolean });
const checkDecode = check.optionsObject({ showSpecial: check.boolean });

/** The library's own tokenizer for a model's vocabulary. */
export class LlamaCppTokenizer implements Tokenizer {
  readonly #model: NativeModel;
  readonly vocabularySize: number;
  readonly bosToken: Token | undefined;
  readonly eosToken: Token | undefined;
  readonly addsBosToken: boolean;
  readonly endTokens: ReadonlySet<Token>;
  readonly specialTokens: readonly SpecialToken[];

  constructor(model: NativeModel) {
    const vocabulary = callNative(() => model.vocabulary());
    this.#model = model;
    this.vocabularySize = vocabulary.size;
    this.bosToken = vocabulary.bosToken;
    this.eosToken = vocabulary.eosToken;
    this.addsBosToken = vocabulary.addsBosToken;
    this.endTokens = new Set(vocabulary.endTokens);
    this.specialTokens = vocabulary.specialTokens;
  }

  encode(text: string, options?: EncodeOptions): Token[] {
    return Array.from(this.#encode(text, options));
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Token[][] {
    return texts.map((text) => this.encode(text, options));
  }

  decode(tokens: Iterable<Token>, options?: DecodeOptions): string {
    const { showSpecial = false } = checkDecode(options, 'options');
    const numbers = toInt32Array(tokens, 'tokens');
    return callNative(() => this.#model.decode(numbers, showSpecial));
  }

  tokenBytes(token: Token, options?: DecodeOptions): Uint8Array {
    const { showSpecial = false } = checkDecode(options, 'options');
    return callNative(() => this.#model.tokenBytes(token, showSpecial));
  }

  #encode(text: string, options?: EncodeOptions): Int32Array {
    const { addSpecial = false, parseSpecial = false } = checkEncode(options, 'options');
    return callNative(() => this.#model.encode(text, addSpecial, parseSpecial));
  }
}
