import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import { regexExpression } from './regex-expression.js';
import { maxSchemaWork } from './schema-work.js';
import { writeGrammar } from './write-grammar.js';

/**
 * Writes a regular expression as a grammar in GBNF that matches the same texts as a whole: as if `^`
 * stood before it and `$` behind, which may be there.
 *
 * Takes JavaScript's syntax, a string as with the flag `u`: characters, classes, `\d \D \w \W \s \S`,
 * `\p{…}`, groups of any name, alternatives, quantifiers (lazy is the same as greedy), `.`, and the
 * flags `i`, `s`, `u`. Characters are code points. The flags `d`, `g`, `m`, `y` change nothing here.
 *
 * @throws InvalidArgument for what is no regular expression and for what no grammar can say, naming it
 * and its offset: lookarounds, backreferences, `\b`, anchors in the middle, the flag `v`, or one that
 * matches no text or needs too large a grammar.
 */
export function regexToGrammar(regex: RegExp | string): string {
  const { source, flags } = sourceOf(regex);
  let left = maxSchemaWork;
  const fail = (sentence: string, offset: number): never => {
    throw wrongValue('regex', `the regular expression ${sentence} (at offset ${offset})`);
  };
  const expression = regexExpression(source, flags, 'whole', fail, (work) => {
    left -= work;
    if (left < 0) fail('takes too much work; make it smaller, with fewer classes', 0);
  });
  const grammar = writeGrammar(new Map([['root', expression]]), (sentence) => {
    throw wrongValue('regex', `the regular expression ${sentence}; make it smaller`);
  });
  if (grammar === undefined) throw wrongValue('regex', 'the regular expression matches no text');
  return grammar;
}

function sourceOf(regex: unknown): { readonly source: string; readonly flags: string } {
  if (typeof regex === 'string') return { source: regex, flags: 'u' };
  // One of another realm is a regular expression as well.
  if (Object.prototype.toString.call(regex) === '[object RegExp]') {
    const { source, flags } = regex as RegExp;
    if (typeof source === 'string' && typeof flags === 'string') return { source, flags };
  }
  throw wrongType('regex', 'a regular expression, as a RegExp or a string', regex);
}
