import { describe, expect, it } from 'vitest';
import { matchesGbnf, parseGbnf } from '../../src/testing/gbnf-recognizer.js';

/** Grammar, texts that it matches, texts that it does not. */
const cases: readonly [name: string, grammar: string, yes: string[], no: string[]][] = [
  ['a literal', 'root ::= "abc"', ['abc'], ['', 'ab', 'abcd']],
  ['escapes', String.raw`root ::= "\n\t\r\"\\\x41\u00e9\U0001F600"`, ['\n\t\r"\\Aé😀'], ['n']],
  ['nothing', 'root ::= ""', [''], ['a']],
  ['a choice', 'root ::= "a" | "bc" |', ['a', 'bc', ''], ['b', 'abc']],
  ['a class', String.raw`root ::= [a-cx\]-]`, ['b', 'x', ']', '-'], ['d', 'y']],
  ['a negated class', String.raw`root ::= [^"\\\x00-\x1f]+`, ['é😀 '], ['a"', '\n', '']],
  ['any character', 'root ::= . .', ['😀a', '\n\n'], ['a', 'abc']],
  ['groups over lines', 'root ::= ( "a" |\n  "b" # one\n )* "c"', ['c', 'abac'], ['ab']],
  ['star', 'root ::= [0-9]*', ['', '123'], ['1a']],
  ['plus', 'root ::= [0-9]+', ['1', '123'], ['']],
  ['optional', 'root ::= "-"? "1"', ['1', '-1'], ['--1']],
  ['{n}', 'root ::= "a"{3}', ['aaa'], ['aa', 'aaaa']],
  ['{n,}', 'root ::= "a"{2,}', ['aa', 'aaaa'], ['a']],
  ['{n,m}', 'root ::= ("a" | "bb"){1, 2}', ['a', 'bba', 'bbbb'], ['', 'aaa']],
  ['{0}', 'root ::= "a"{0} "b"', ['b'], ['ab']],
  ['a repetition of a repetition', 'root ::= "a"{2}{2}', ['aaaa'], ['aa', 'aaa']],
  ['a repetition of nothing', 'root ::= ("a"?)* ("b"?){2,3}', ['', 'aab', 'bbb'], ['bbbb']],
  ['recursion', 'root ::= "(" root? ")"', ['()', '((()))'], ['(()', ')(']],
  ['rules', '# two\nroot ::= one two-2\n\none ::=\n "1"\ntwo-2 ::= "2"', ['12'], ['1']],
  ['several ways at once', 'root ::= ("a" "b" | "a" "c" | "ab")* "d"', ['acabd', 'd'], ['aad']],
];

describe('a grammar matches what it says and nothing else', () => {
  it.each(cases)('%s', (_name, grammar, yes, no) => {
    expect(yes.filter((text) => !matchesGbnf(grammar, text))).toEqual([]);
    expect(no.filter((text) => matchesGbnf(grammar, text))).toEqual([]);
  });
});

describe('a state', () => {
  it('goes on from where it is, any number of times', () => {
    const start = parseGbnf('root ::= "a" [0-9]+ ";"');
    const middle = start.push('a1')!;
    expect(middle.canEnd).toBe(false);
    expect(middle.push('2;')?.canEnd).toBe(true);
    expect(middle.push(';')?.canEnd).toBe(true);
    expect(middle.push('b')).toBeUndefined();
    expect(start.push('')).toBe(start);
  });

  it('tells the characters that may come next', () => {
    expect(parseGbnf('root ::= [a-z] | "0"').next.toSorted((a, b) => a[0] - b[0])).toEqual([
      [48, 48],
      [97, 122],
    ]);
  });

  it('has few frames however long the text', () => {
    const start = parseGbnf('root ::= ("a" | "a" "a" | "a"*)*');
    expect(start.push('a'.repeat(2000))!.next.length).toBeLessThan(10);
  });
});

describe('a wrong grammar is refused', () => {
  it.each([
    ['root ::= "a', 'The grammar is wrong in line 1: a literal or a class does not end.'],
    [
      'root ::= "a"\nroot ::= "b"',
      'The grammar is wrong in line 2: the rule "root" stands there twice.',
    ],
    [
      'root ::= [b-a]',
      'The grammar is wrong in line 1: a range of characters ends before it begins.',
    ],
    [
      'root ::= "a"{2,1}',
      'The grammar is wrong in line 1: a repetition has a maximum below its minimum.',
    ],
    ['root ::= "\\q"', 'The grammar is wrong in line 1: "\\q" is no escape.'],
    ['root ::= "\\x4"', 'The grammar is wrong in line 1: "\\x4"" is no character.'],
    ['root ::= ("a"', 'The grammar is wrong in line 1: ")" has to come here.'],
    ['root = "a"', 'The grammar is wrong in line 1: ":" has to come here.'],
    ['root ::= "a" ) "b"', 'The grammar is wrong in line 1: a new line has to come here.'],
    ['a ::= "a"', 'The grammar has no rule "root".'],
    ['root ::= b', 'The rule "root" of the grammar needs "b", which is not there.'],
    ['root ::= "a"? root', 'The rule "root" of the grammar begins with itself.'],
    [
      'root ::= "x" a\na ::= b | "c"\nb ::= ("d"* | "e") a',
      'The rule "a" of the grammar begins with itself.',
    ],
  ])('%s', (grammar, message) => {
    expect(() => parseGbnf(grammar)).toThrow(new Error(message));
  });
});
