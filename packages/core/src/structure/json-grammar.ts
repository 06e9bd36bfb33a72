import {
  choice,
  empty,
  type Expression,
  never,
  optional,
  range,
  repeat,
  rule,
  sequence,
  text,
} from './expression.js';
import { anyString, jsonCharacter, jsonEscape } from './string-grammar.js';

/** How JSON may be laid out. */
export type JsonWhitespace = 'flexible' | 'compact';

const digit = range('0', '9');

/** Up to 15 digits, which every number of JavaScript holds exactly; the rule `integer`. */
const anyInteger = choice(
  text('0'),
  sequence(optional(text('-')), range('1', '9'), repeat(digit, 0, 14)),
);

/** A number that neither overflows nor goes on for ever; the rule `number`. */
const anyNumber = sequence(
  optional(text('-')),
  choice(text('0'), sequence(range('1', '9'), repeat(digit, 0, 15))),
  optional(sequence(text('.'), repeat(digit, 1, 17))),
  optional(
    sequence(
      choice(text('e'), text('E')),
      optional(choice(text('+'), text('-'))),
      repeat(digit, 1, 2),
    ),
  ),
);

/** What stands in front of an item or a closing bracket; the rule `space`. */
const flexibleSpace = optional(choice(text(' '), sequence(text('\n'), repeat(text(' '), 0, 16))));

/** The rules that every schema can need: values of any kind, and space. */
export function jsonRules(whitespace: JsonWhitespace): Map<string, Expression> {
  const compact = whitespace === 'compact';
  const member = sequence(rule('string'), rule('colon'), rule('value'));
  return new Map([
    ['space', compact ? empty : flexibleSpace],
    ['colon', compact ? text(':') : sequence(text(':'), optional(text(' ')))],
    ['escape', jsonEscape],
    ['char', jsonCharacter],
    ['string', anyString],
    ['integer', anyInteger],
    ['number', anyNumber],
    ['boolean', choice(text('true'), text('false'))],
    ['null', text('null')],
    ['array', listOf('[', [], rule('value'), 0, Infinity, ']')],
    ['object', listOf('{', [], member, 0, Infinity, '}')],
    ['value', choice(...['object', 'array', 'string', 'number', 'boolean', 'null'].map(rule))],
  ]);
}

/** A comma and what may stand behind it. */
export const comma = sequence(text(','), rule('space'));

/**
 * A list in brackets: some items at fixed places, then more of one kind; so many in all. Of those at
 * fixed places the last may be missing, as far as `min` allows.
 */
export function listOf(
  open: string,
  fixed: readonly Expression[],
  rest: Expression,
  min: number,
  max: number,
  close: string,
): Expression {
  const count = Math.min(fixed.length, max);
  // From behind: what may follow so many items.
  let following = tail(rest, min - count, max - count);
  for (let at = count - 1; at >= 1; at -= 1) {
    const here = sequence(comma, fixed[at] ?? empty, following);
    following = at >= min ? optional(here) : here;
  }
  const items =
    count > 0
      ? sequence(fixed[0] ?? empty, following)
      : sequence(rest, tail(rest, min - 1, max - 1));
  return bracketed(open, max <= 0 ? never : items, close, min <= 0);
}

/** Something in brackets, or brackets alone where that may be. */
export function bracketed(
  open: string,
  inner: Expression,
  close: string,
  mayBeEmpty: boolean,
): Expression {
  const full = sequence(rule('space'), inner, rule('space'), text(close));
  return sequence(text(open), mayBeEmpty ? choice(full, text(close)) : full);
}

function tail(item: Expression, min: number, max: number): Expression {
  return repeat(sequence(comma, item), Math.max(0, min), max);
}

/** One value and no other. */
export function constantValue(value: unknown): Expression {
  if (typeof value !== 'object' || value === null) return text(JSON.stringify(value));
  const [open, items, close] = Array.isArray(value)
    ? ['[', value.map(constantValue), ']']
    : ['{', Object.entries(value).map(constantMember), '}'];
  return items.length === 0 ? text(open + close) : bracketed(open, separated(items), close, false);
}

function constantMember([name, value]: readonly [string, unknown]): Expression {
  return sequence(text(JSON.stringify(name)), rule('colon'), constantValue(value));
}

function separated(items: readonly Expression[]): Expression {
  return sequence(...items.flatMap((item, at) => (at === 0 ? [item] : [comma, item])));
}
