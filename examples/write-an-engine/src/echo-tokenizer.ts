import { MobillmError, requireToken, requireWellFormed, type Tokenizer } from '@mobillm/core';

/** Ends a turn, and an answer. */
export const turnEnd = 256;

const vocabularySize = 257;
const turnEndText = '<|turn_end|>';

/** A vocabulary of the 256 bytes and a token that ends a turn. */
export function createEchoTokenizer(isOpen: () => boolean): Tokenizer {
  const requireOpen = (): void => {
    if (!isOpen()) throw new MobillmError('CLOSED', 'The model was closed. Open it again.');
  };
  const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
  const tokenizer: Tokenizer = {
    vocabularySize,
    bosToken: undefined,
    eosToken: turnEnd,
    addsBosToken: false,
    endTokens: new Set([turnEnd]),
    specialTokens: [{ token: turnEnd, text: turnEndText }],
    encode(text, { parseSpecial = false } = {}) {
      requireOpen();
      requireWellFormed(text, 'text');
      const parts = parseSpecial ? text.split(turnEndText) : [text];
      return parts.flatMap((part, index) =>
        index === 0 ? bytesOf(part) : [turnEnd, ...bytesOf(part)],
      );
    },
    encodeBatch: (texts, options) => texts.map((text) => tokenizer.encode(text, options)),
    decode(tokens, options) {
      const bytes = [...tokens].flatMap((token) => [...tokenizer.tokenBytes(token, options)]);
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
    },
    tokenBytes(token, { showSpecial = false } = {}) {
      requireOpen();
      requireToken(token, vocabularySize);
      if (token === turnEnd) return Uint8Array.from(showSpecial ? bytesOf(turnEndText) : []);
      return Uint8Array.of(token);
    },
  };
  return tokenizer;
}
