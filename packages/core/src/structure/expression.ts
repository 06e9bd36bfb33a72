import { allCodePoints, type CodePoints } from './code-points.js';

/** What a rule of a grammar matches. Made by the functions below, which leave out what says nothing. */
export type Expression =
  /** Matches nothing, not even the empty text. */
  | { readonly kind: 'never' }
  /** The text itself. */
  | { readonly kind: 'text'; readonly text: string }
  /** One character of a set. */
  | { readonly kind: 'class'; readonly set: CodePoints }
  /** What the rule of that name matches. */
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'sequence'; readonly items: readonly Expression[] }
  | { readonly kind: 'choice'; readonly items: readonly Expression[] }
  | {
      readonly kind: 'repeat';
      readonly item: Expression;
      readonly min: number;
      /** `Infinity` where there is no bound. */
      readonly max: number;
    };

/** Matches nothing at all. */
export const never: Expression = { kind: 'never' };

/** Matches the empty text. */
export const empty: Expression = { kind: 'text', text: '' };

/** Matches any one character. */
export const anyCharacter: Expression = { kind: 'class', set: allCodePoints };

/** Matches a text. */
export function text(value: string): Expression {
  return { kind: 'text', text: value };
}

/** Matches one character of a set. */
export function oneOf(set: CodePoints): Expression {
  const [first] = set;
  if (first === undefined) return never;
  return set.length === 1 && first[0] === first[1]
    ? text(String.fromCodePoint(first[0]))
    : { kind: 'class', set };
}

/** Matches one character of a range, by its ends: `range('0', '9')`. */
export function range(first: string, last: string): Expression {
  return oneOf([[first.codePointAt(0) ?? 0, last.codePointAt(0) ?? 0]]);
}

/** Matches what a rule matches. */
export function rule(name: string): Expression {
  return { kind: 'rule', name };
}

/** Matches one thing after the other. */
export function sequence(...parts: readonly Expression[]): Expression {
  const items: Expression[] = [];
  for (const part of parts.flatMap((item) => (item.kind === 'sequence' ? item.items : [item]))) {
    if (part.kind === 'never') return never;
    const before = items.at(-1);
    if (part.kind === 'text' && before?.kind === 'text') {
      items[items.length - 1] = text(before.text + part.text);
    } else if (part.kind !== 'text' || part.text !== '') {
      items.push(part);
    }
  }
  return items.length === 1
    ? (items[0] ?? empty)
    : items.length === 0
      ? empty
      : { kind: 'sequence', items };
}

/** Matches any of several things. */
export function choice(...parts: readonly Expression[]): Expression {
  const items = parts
    .flatMap((item) => (item.kind === 'choice' ? item.items : [item]))
    .filter((item) => item.kind !== 'never');
  return items.length === 1
    ? (items[0] ?? never)
    : items.length === 0
      ? never
      : { kind: 'choice', items };
}

/** Matches a thing several times in a row. */
export function repeat(item: Expression, min: number, max: number): Expression {
  if (min > max) return never;
  if (max === 0 || (item.kind === 'text' && item.text === '')) return empty;
  if (item.kind === 'never') return min === 0 ? empty : never;
  return min === 1 && max === 1 ? item : { kind: 'repeat', item, min, max };
}

/** Matches a thing or nothing. */
export function optional(item: Expression): Expression {
  return repeat(item, 0, 1);
}

/** The same with its rules under other names. */
export function rename(expression: Expression, newName: (name: string) => string): Expression {
  switch (expression.kind) {
    case 'rule':
      return rule(newName(expression.name));
    case 'sequence':
    case 'choice':
      return { ...expression, items: expression.items.map((item) => rename(item, newName)) };
    case 'repeat':
      return { ...expression, item: rename(expression.item, newName) };
    case 'never':
    case 'text':
    case 'class':
      return expression;
  }
}
