import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type OutputPiece, ReasoningSplitter } from '../../src/stream/reasoning-splitter.js';
import { StopStringMatcher } from '../../src/stream/stop-string-matcher.js';
import { Utf8Assembler } from '../../src/stream/utf8-assembler.js';

/** Cuts a text or byte array at random places. */
function cut<T extends { slice(from: number, to: number): T; length: number }>(
  whole: T,
  sizes: readonly number[],
): T[] {
  const pieces: T[] = [];
  let from = 0;
  for (const size of sizes) {
    if (from >= whole.length) break;
    pieces.push(whole.slice(from, from + size));
    from += size;
  }
  if (from < whole.length) pieces.push(whole.slice(from, whole.length));
  return pieces;
}

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 60 });

describe('UTF-8 assembly', () => {
  it('gives every text back, wherever its bytes are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), sizes, (text, cuts) => {
        const assembler = new Utf8Assembler();
        const pieces = cut(new TextEncoder().encode(text), cuts).map((part) =>
          assembler.push(part),
        );
        expect(pieces.join('') + assembler.end()).toBe(text);
        for (const piece of pieces) expect(piece).not.toMatch(/[\uD800-\uDFFF]/u);
      }),
    );
  });

  it('keeps an incomplete character back and replaces it at the end', () => {
    const assembler = new Utf8Assembler();
    expect(assembler.push(Uint8Array.of(0x61, 0xe6, 0xbc))).toBe('a');
    expect(assembler.end()).toBe('\uFFFD');
  });
});

/** Feeds a text in pieces and gives what came out. */
function match(stops: readonly string[], pieces: readonly string[]) {
  const matcher = new StopStringMatcher(stops);
  let text = '';
  for (const [index, piece] of pieces.entries()) {
    const step = matcher.push(piece);
    text += step.text;
    if (step.stopString !== undefined) {
      const rest = (step.rest ?? '') + pieces.slice(index + 1).join('');
      return { text, stop: step.stopString, rest };
    }
  }
  return { text: text + matcher.end(), stop: undefined, rest: '' };
}

describe('stop strings', () => {
  it('are found where the whole text has them first, wherever it is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
    const stops = fc.array(
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(letters, stops, sizes, (text, wanted, cuts) => {
        const found = match(wanted, cut(text, cuts));
        expect(found).toEqual(match(wanted, [text]));
        const ends = wanted
          .filter((stop) => text.includes(stop))
          .map((stop) => text.indexOf(stop) + stop.length);
        if (ends.length === 0) {
          expect(found).toEqual({ text, stop: undefined, rest: '' });
          return;
        }
        expect(found.text + (found.stop ?? '') + found.rest).toBe(text);
        expect(found.text.length + (found.stop ?? '').length).toBe(Math.min(...ends));
      }),
    );
  });

  it('let nothing out that may still become one', () => {
    const matcher = new StopStringMatcher(['###END']);
    expect(matcher.push('text ##')).toEqual({ text: 'text ' });
    expect(matcher.push('#EN')).toEqual({ text: '' });
    expect(matcher.push('X')).toEqual({ text: '###ENX' });
    expect(matcher.end()).toBe('');
  });

  it('may be as long as anybody likes', () => {
    const stop = `${'a'.repeat(100_000)}b`;
    const text = 'a'.repeat(250_000);
    const pieces = text.match(/.{1,4}/gu) ?? [];
    expect(match([stop], [...pieces, 'b!'])).toEqual({
      text: 'a'.repeat(150_000),
      stop,
      rest: '!',
    });
  });

  it('are found in the order in which they are complete, however the text is cut', () => {
    const stops = ['abcd', 'bc', 'abc'];
    const found = { text: 'x', stop: 'abc', rest: 'd' };
    expect(match(stops, ['xabcd'])).toEqual(found);
    expect(match(stops, [...'xabcd'])).toEqual(found);
  });
});

function split(pieces: readonly string[], inside = false): Record<OutputPiece['kind'], string> {
  const splitter = new ReasoningSplitter(inside);
  const out = { reasoning: '', answer: '' };
  for (const piece of [...pieces.flatMap((text) => splitter.push(text)), ...splitter.end()]) {
    out[piece.kind] += piece.text;
  }
  return out;
}

describe('reasoning', () => {
  const whole = '\n<think>\nTwo and two.\n</think>\n\nFour.';

  it('is split from the answer wherever the text is cut', () => {
    fc.assert(
      fc.property(sizes, (cuts) => {
        expect(split(cut(whole, cuts))).toEqual({
          reasoning: '\nTwo and two.\n',
          answer: 'Four.',
        });
      }),
    );
  });

  it('needs no opening mark when the prompt has opened it', () => {
    expect(split(['Hm.</thi', 'nk>Yes'], true)).toEqual({ reasoning: 'Hm.', answer: 'Yes' });
  });

  it('that never ends is all reasoning', () => {
    expect(split(['<think>on and on</'])).toEqual({ reasoning: 'on and on</', answer: '' });
  });

  it('is not what an answer quotes later', () => {
    const text = 'Write <think>…</think> around it.';
    expect(split([text])).toEqual({ reasoning: '', answer: text });
  });

  it('leaves text that only begins like the mark as it is', () => {
    expect(split(['  <thi', 's is it'])).toEqual({ reasoning: '', answer: '  <this is it' });
    expect(split([' <th'])).toEqual({ reasoning: '', answer: ' <th' });
  });
});
