import {
  allCodePoints,
  type CodePoints,
  codePointsOf,
  includes,
  intersect,
  subtract,
} from './code-points.js';
import { choice, type Expression, oneOf, repeat, rule, sequence, text } from './expression.js';

/** Characters that stand in JSON's strings as they are. */
const plain: CodePoints = subtract(allCodePoints, [[0, 0x1f], ...codePointsOf('"\\')]);

/** Those that do not, each with the one form that `JSON.stringify` gives it. */
const escaped: readonly (readonly [code: number, form: string])[] = Array.from(
  { length: 0x80 },
  (_, code) => code,
)
  .filter((code) => !includes(plain, code))
  .map((code) => [code, JSON.stringify(String.fromCodePoint(code)).slice(1, -1)] as const);

/** Every character that has to be escaped; the rule `escape`. */
export const jsonEscape = sequence(
  text('\\'),
  choice(
    oneOf(codePointsOf('"\\bfnrt')),
    sequence(
      text('u00'),
      choice(
        sequence(text('0'), oneOf(codePointsOf('01234567bef'))),
        sequence(text('1'), oneOf(codePointsOf('0123456789abcdef'))),
      ),
    ),
  ),
);

/** One character of a string of JSON; the rule `char`. */
export const jsonCharacter = choice(oneOf(plain), rule('escape'));

/** Any string of JSON; the rule `string`. */
export const anyString = sequence(text('"'), repeat(rule('char'), 0, Infinity), text('"'));

/** A string of JSON whose value an expression over plain characters matches. */
export function stringOf(value: Expression): Expression {
  return sequence(text('"'), inJson(value), text('"'));
}

/** Any string of JSON of so many characters. */
export function stringOfLength(min: number, max: number): Expression {
  return sequence(text('"'), repeat(rule('char'), min, max), text('"'));
}

function inJson(expression: Expression): Expression {
  switch (expression.kind) {
    case 'text':
      return text(JSON.stringify(expression.text).slice(1, -1));
    case 'class':
      return isEverything(expression.set) ? rule('char') : oneCharacter(expression.set);
    case 'sequence':
      return sequence(...expression.items.map(inJson));
    case 'choice':
      return choice(...expression.items.map(inJson));
    case 'repeat':
      return repeat(inJson(expression.item), expression.min, expression.max);
    case 'never':
    case 'rule':
      return expression;
  }
}

function oneCharacter(set: CodePoints): Expression {
  const forms = escaped.filter(([code]) => includes(set, code)).map(([, form]) => text(form));
  return choice(
    oneOf(intersect(set, plain)),
    ...(forms.length === escaped.length ? [rule('escape')] : forms),
  );
}

function isEverything(set: CodePoints): boolean {
  return subtract(allCodePoints, set).length === 0;
}

/** Any string of JSON but some: the keys that an object may have beside those that it declares. */
export function stringExcept(values: readonly string[]): Expression {
  return sequence(
    text('"'),
    except(
      values.map((value) => Array.from(value)),
      0,
    ),
  );
}

/** Looks at the values from a character on; before it they are the same. */
function except(values: readonly (readonly string[])[], at: number): Expression {
  const byFirst = new Map<string, (readonly string[])[]>();
  for (const value of values) {
    const first = value[at];
    if (first === undefined) continue;
    const same = byFirst.get(first);
    if (same === undefined) byFirst.set(first, [value]);
    else same.push(value);
  }
  const others = subtract(allCodePoints, codePointsOf([...byFirst.keys()].join('')));
  const end = text('"');
  return choice(
    ...(values.some((value) => value.length === at) ? [] : [end]),
    sequence(oneCharacter(others), repeat(rule('char'), 0, Infinity), end),
    ...[...byFirst].map(([first, same]) => sequence(inJson(text(first)), except(same, at + 1))),
  );
}
