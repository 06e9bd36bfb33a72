import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

/** A tokenizer under test and what closes it. */
export interface OpenTokenizer {
  /** The tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Closes what it belongs to; afterwards every call says `CLOSED`. */
  readonly close: () => Promise<void>;
}

/** What {@link describeTokenizer} needs. */
export interface DescribeTokenizerOptions {
  /** Opens one; called twice. */
  readonly open: () => Promise<OpenTokenizer>;
  /**
   * Whether decoding gives every text back as it was. `false` for vocabularies that normalize (put a
   * space before every text, lower-case, drop accents). Default `true`.
   */
  readonly lossless?: boolean;
}

const texts = [
  'Hello, world!',
  ' leading and trailing ',
  'tabs\tand\nnew lines\r\n\r\n',
  'Ünïcödé, 漢字, العربية, עברית, हिन्दी',
  '👩‍👩‍👧‍👦 🇪🇺 e\u0301 \u{1F9D1}\u200D\u{1F4BB}',
  '3.14159 and 1,000,000',
  'for (let i = 0; i < 10; i++) { a[i] ??= `${i}`; }',
  'a'.repeat(300),
  '\u0000 a zero character',
  '\uFEFF a byte-order mark',
];

/** The contract of a tokenizer as tests. */
export function describeTokenizer(name: string, options: DescribeTokenizerOptions): void {
  describe(`${name} meets the tokenizer contract`, () => {
    let open: OpenTokenizer;
    let tokenizer: Tokenizer;

    beforeAll(async () => {
      open = await options.open();
      tokenizer = open.tokenizer;
    }, 120_000);

    afterAll(async () => {
      await (open as OpenTokenizer | undefined)?.close();
    });

    const bytesOf = (tokens: readonly number[]) =>
      Buffer.concat(tokens.map((token) => tokenizer.tokenBytes(token)));

    it.each(texts)('encodes %j to tokens of its vocabulary', (text) => {
      const tokens = tokenizer.encode(text);
      expect(tokens.length).toBeGreaterThan(0);
      expect(
        tokens.every(
          (token) => Number.isInteger(token) && token >= 0 && token < tokenizer.vocabularySize,
        ),
      ).toBe(true);
    });

    it.for(texts)('gives %j back, to the byte', (text, context) => {
      if (options.lossless === false) context.skip('the vocabulary normalizes');
      const tokens = tokenizer.encode(text);
      expect(tokenizer.decode(tokens)).toBe(text);
      expect(bytesOf(tokens).equals(Buffer.from(text, 'utf8'))).toBe(true);
    });

    it('encodes the empty text to nothing', () => {
      expect(tokenizer.encode('')).toEqual([]);
      expect(tokenizer.decode([])).toBe('');
    });

    it('encodes a batch as it encodes each text', () => {
      expect(tokenizer.encodeBatch(texts)).toEqual(texts.map((text) => tokenizer.encode(text)));
    });

    it('encodes as many texts as there are, and names the one that is none', () => {
      const many = Array.from({ length: 1000 }, (_, index) => `${index} ${texts[index % 7]}`);
      expect(tokenizer.encodeBatch(many)).toEqual(many.map((text) => tokenizer.encode(text)));
      expect(tokenizer.encodeBatch([])).toEqual([]);
      expect(() => tokenizer.encodeBatch(['a', 5 as unknown as string])).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    });

    it('encodes texts asynchronously as it encodes each one', async (context) => {
      if (!tokenizer.encodeAsync) return context.skip('it has no threads to encode on');
      const [end] = tokenizer.endTokens;
      const spelled = [...texts, tokenizer.decode([end ?? 0], { showSpecial: true })];
      for (const own of [{}, { parseSpecial: true }, { addSpecial: true }]) {
        const rows = await tokenizer.encodeAsync(spelled, own);
        expect(rows).toEqual(spelled.map((text) => tokenizer.encode(text, own)));
      }
      expect(await tokenizer.encodeAsync([])).toEqual([]);
      for (const wrong of [undefined, 5, 'half \uD83D of a pair']) {
        await expect(tokenizer.encodeAsync(['a', wrong as string])).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
      }
    });

    it('ends asynchronous encoding with the very reason of an abort', async (context) => {
      if (!tokenizer.encodeAsync) return context.skip('it has no threads to encode on');
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(tokenizer.encodeAsync(texts, { signal })).rejects.toBe(reason);
      const controller = new AbortController();
      const encoding = tokenizer.encodeAsync(texts, { signal: controller.signal });
      controller.abort(reason);
      await expect(encoding).rejects.toBe(reason);
    });

    it('reads special spellings as text, unless asked', () => {
      const end = tokenizer.specialTokens.find(({ token }) => tokenizer.endTokens.has(token));
      if (!end) throw new Error('the vocabulary has no end token among its special tokens');
      expect(tokenizer.encode(end.text)).not.toContain(end.token);
      expect(tokenizer.encode(`a${end.text}b`)).not.toContain(end.token);
      expect(tokenizer.encode(end.text, { parseSpecial: true })).toEqual([end.token]);
      expect(tokenizer.encode(`a${end.text}`, { parseSpecial: true }).at(-1)).toBe(end.token);
    });

    it('shows special tokens only when asked', () => {
      for (const { token, text } of tokenizer.specialTokens.slice(0, 16)) {
        expect(tokenizer.decode([token])).toBe('');
        expect(tokenizer.decode([token], { showSpecial: true })).toBe(text);
      }
    });

    it('adds the beginning-of-sequence token where the model wants one', () => {
      const [first] = tokenizer.encode('hello', { addSpecial: true });
      if (tokenizer.addsBosToken) expect(first).toBe(tokenizer.bosToken);
      else expect(first).toBe(tokenizer.encode('hello')[0]);
    });

    it('knows end tokens that are in the vocabulary', () => {
      expect(tokenizer.endTokens.size).toBeGreaterThan(0);
      for (const token of tokenizer.endTokens) expect(token).toBeLessThan(tokenizer.vocabularySize);
    });

    it('has bytes for every token', () => {
      for (let token = 0; token < tokenizer.vocabularySize; token++) {
        expect(tokenizer.tokenBytes(token)).toBeInstanceOf(Uint8Array);
      }
    });

    it.each([-1, 0.5, NaN, 2 ** 31, 'x'])('refuses %j as a token', (token) => {
      for (const call of [
        () => tokenizer.decode([token as number]),
        () => tokenizer.tokenBytes(token as number),
      ]) {
        expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      }
    });

    it('refuses the first number past its vocabulary', () => {
      expect(() => tokenizer.tokenBytes(tokenizer.vocabularySize)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    });

    it('refuses what is not a text, and half a surrogate pair', () => {
      for (const text of [undefined, null, 5, {}, 'half \uD83D of a pair', '\uDE00']) {
        expect(() => tokenizer.encode(text as string)).toThrow(
          expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
        );
      }
    });

    it('says CLOSED after its model was closed', async () => {
      const second = await options.open();
      await second.close();
      for (const call of [() => second.tokenizer.encode('a'), () => second.tokenizer.decode([0])]) {
        let thrown: unknown;
        try {
          call();
        } catch (error) {
          thrown = error;
        }
        expect(MobillmError.is(thrown, 'CLOSED')).toBe(true);
      }
      if (second.tokenizer.encodeAsync) {
        const encoding = second.tokenizer.encodeAsync(['a']);
        await expect(encoding).rejects.toMatchObject({ code: 'CLOSED' });
      }
    });
  });
}
