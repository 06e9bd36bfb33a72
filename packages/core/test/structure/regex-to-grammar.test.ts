import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { regexToGrammar } from '../../src/structure/regex-to-grammar.js';
import { matchesGbnf, parseGbnf } from '../../src/testing/gbnf-recognizer.js';
import { randomWalk } from './random-walk.js';

describe('a regular expression as a grammar', () => {
  it.each<[RegExp | string, string]>([
    [/abc/, 'root ::= "abc"\n'],
    [/^a|b$/, 'root ::= "a" | "b"\n'],
    [/(?:ab)+?c{2,3}/, 'root ::= ("ab")+ "c"{2,3}\n'],
    [/[a-f\d]*/, 'root ::= [0-9a-f]*\n'],
    [/(?<year>\d{4})-(\d\d)/, 'root ::= [0-9]{4} "-" [0-9] [0-9]\n'],
    [/k/i, 'root ::= [Kk]\n'],
    [/k/iu, 'root ::= [Kk\\u212A]\n'],
    [/[^"\\]/s, 'root ::= [^\\"\\\\]\n'],
    [/./s, 'root ::= .\n'],
    [/(a|b|)/, 'root ::= "a" | "b" | ""\n'],
    ['\\u{1F600}\\x41\\cJ\\-\\/', 'root ::= "\\U0001F600A\\n-/"\n'],
    [/\ud83d\ude00+/, 'root ::= "\\U0001F600"+\n'],
    [/a{2}{/, 'root ::= "a"{2} "{"\n'],
  ])('%s', (regex, grammar) => {
    expect(regexToGrammar(regex)).toBe(grammar);
  });

  it('writes a long class once', () => {
    const grammar = regexToGrammar(/^\p{Lu}\p{Lu}+$/u);
    expect(grammar).toMatch(/^root ::= chars-1 chars-1\+\nchars-1 ::= \[A-Z/);
    expect(matchesGbnf(grammar, 'ÄΩЖ')).toBe(true);
    expect(matchesGbnf(grammar, 'Äω')).toBe(false);
  });
});

describe('what no grammar can say is refused by name and offset', () => {
  it.each<[RegExp | string, string]>([
    [/a(?=b)/, 'has a lookahead, "(?=", which no grammar can say (at offset 1)'],
    [/(?<!a)b/, 'has a lookbehind, "(?<!", which no grammar can say (at offset 0)'],
    [/(a)\1/, 'has a backreference, "\\1", which no grammar can say (at offset 3)'],
    [/(?<n>a)\k<n>/, 'has a backreference, "\\k", which no grammar can say (at offset 7)'],
    [/a\b/, 'has a word boundary, "\\b", which is not supported (at offset 1)'],
    [/a^b/, 'has a "^" in its middle (at offset 1)'],
    [/(a$)b/, 'has a "$" in its middle (at offset 2)'],
    [new RegExp('a', 'v'), 'has the flag "v"; use "u", without operations on sets (at offset 0)'],
    ['(a', 'has a "(" that is not closed (at offset 0)'],
    ['a)', 'has a ")" too many (at offset 1)'],
    ['[a', 'has a "[" that is not closed (at offset 0)'],
    ['*a', 'has a "*" with nothing before it to repeat (at offset 0)'],
    ['a**', 'has a "*" with nothing before it to repeat (at offset 2)'],
    ['[b-a]', 'has a range of characters that is out of order (at offset 2)'],
    ['a{3,2}', 'has a repetition whose numbers are out of order (at offset 0)'],
    ['\\q', 'has "\\q", which is no escape (at offset 0)'],
    ['a\\', 'ends in a backslash (at offset 1)'],
    ['\\u12', 'has a "\\u" without its digits (at offset 0)'],
    ['\\u{110000}', 'names a character that does not exist (at offset 0)'],
    ['\\p{Nonsense}', 'has a "\\p" without a Unicode property (at offset 0)'],
    ['(?i:a)', 'has a group of a kind that is not supported (at offset 0)'],
    ['(?:', 'has a "(" that is not closed (at offset 0)'],
    ['[]', 'matches no text'],
    ['a{99999}', 'repeats something 99999 times; 20000 is the most; make it smaller'],
    ['((a{1,99}){1,99}){1,99}', 'needs a grammar of more than 100000 parts; make it smaller'],
    ['('.repeat(65) + ')'.repeat(65), 'has more than 64 groups inside each other (at offset 64)'],
    ['a'.repeat(10_001), 'is longer than 10000 characters (at offset 0)'],
  ])('%s', (regex, sentence) => {
    expect(() => regexToGrammar(regex)).toThrow(
      expect.objectContaining({
        name: 'RangeError',
        code: 'INVALID_ARGUMENT',
        key: 'regex',
        message: `"regex": the regular expression ${sentence}`,
      }),
    );
  });

  it('and so is what is no regular expression', () => {
    expect(() => regexToGrammar(7 as never)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'INVALID_ARGUMENT', key: 'regex' }),
    );
  });
});

/** Sources of regular expressions over few characters, so that random texts often match. */
const { regex: randomRegex } = fc.letrec<{ regex: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '\\d',
      '\\D',
      '\\w',
      '\\W',
      '\\s',
      '\\S',
      '[ab]',
      '[^a]',
      '[a-c_]',
    ),
    fc.constantFrom('é', '😀', '\\u{e9}', '[^😀\\d]', '\\/', '\\p{L}', '\\P{L}', 'K', '[^k]'),
    tie('regex').map((inner) => `(?:${inner})`),
  ),
  regex: fc
    .array(
      fc.array(
        fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+?', '?', '{2}', '{1,}', '{0,2}')),
        { maxLength: 3 },
      ),
      { minLength: 1, maxLength: 2 },
    )
    .map((alternatives) => alternatives.map((parts) => parts.flat().join('')).join('|')),
}));
const randomText = fc
  .array(
    fc.constantFrom('a', 'b', 'c', 'k', 'K', '\u212a', 'É', 'é', '😀', '1', ' ', '\n', '-', '_'),
    { maxLength: 6 },
  )
  .map((characters) => characters.join(''));
const randomFlags = fc.constantFrom('u', 'iu', 'su', 'isu');

describe('the grammar and JavaScript agree', () => {
  it('on texts', () => {
    fc.assert(
      fc.property(
        randomRegex,
        randomFlags,
        fc.array(randomText, { maxLength: 10 }),
        (source, flags, texts) => {
          const start = parseGbnf(regexToGrammar(new RegExp(source, flags)));
          const whole = new RegExp(`^(?:${source})$`, flags);
          for (const text of texts) {
            expect([text, start.push(text)?.canEnd ?? false]).toEqual([text, whole.test(text)]);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('on what the grammar generates', () => {
    fc.assert(
      fc.property(randomRegex, randomFlags, fc.nat(), (source, flags, seed) => {
        const start = parseGbnf(regexToGrammar(new RegExp(source, flags)));
        const text = randomWalk(start, seed, 4);
        // Long texts take JavaScript's own matcher for ever.
        if (text !== undefined && text.length < 12)
          expect(text).toMatch(new RegExp(`^(?:${source})$`, flags));
      }),
      { numRuns: 200 },
    );
  });
});
