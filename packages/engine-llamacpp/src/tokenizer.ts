import {
  check,
  type DecodeOptions,
  type EncodeAsyncOptions,
  type EncodeOptions,
  type SpecialToken,
  type Token,
  type Tokenizer,
} from '@mobillm/core';
import { callNative, fromNative, onAbort, toInt32Array } from '@mobillm/core/native';
import type { NativeModel, NativeTokenRows } from './addon.js';

const encodeChecks = { addSpecial: check.boolean, parseSpecial: check.boolean } as const;
const checkEncode = check.optionsObject(encodeChecks);
const checkEncodeAsync = check.optionsObject({ ...encodeChecks, signal: check.abortSignal });
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
    return toTokens(this.#encode(text, options));
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Token[][] {
    const { addSpecial = false, parseSpecial = false } = checkEncode(options, 'options');
    return toRows(callNative(() => this.#model.encodeBatch(texts, addSpecial, parseSpecial)));
  }

  async encodeAsync(texts: readonly string[], options?: EncodeAsyncOptions): Promise<Token[][]> {
    const checked = checkEncodeAsync(options, 'options');
    const { addSpecial = false, parseSpecial = false, signal } = checked;
    signal?.throwIfAborted();
    const encoding = callNative(() => this.#model.encodeAsync(texts, addSpecial, parseSpecial));
    return new Promise((resolve, reject) => {
      // The library does not stop within a text, so nobody waits until it has.
      const stopListening = onAbort(signal, () => {
        encoding.abort();
        reject(signal?.reason as Error);
      });
      encoding.rows
        .then((rows) => resolve(toRows(rows)))
        .catch((error: unknown) => reject(fromNative(error)))
        .finally(stopListening);
    });
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

function toRows({ tokens, ends }: NativeTokenRows): Token[][] {
  let start = 0;
  return Array.from(ends, (end) => {
    const row = toTokens(tokens, start, end);
    start = end;
    return row;
  });
}

/** `Array.from` takes ten times as long, which a text of a megabyte lets one feel. */
function toTokens(numbers: Int32Array, start = 0, end = numbers.length): Token[] {
  const tokens = new Array<Token>(end - start);
  for (let i = start; i < end; i++) tokens[i - start] = numbers[i] as Token;
  return tokens;
}
