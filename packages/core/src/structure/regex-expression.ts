import {
  anyCharacter,
  choice,
  empty,
  type Expression,
  never,
  oneOf,
  repeat,
  sequence,
} from './expression.js';
import { parseRegex, type RegexFailure, type RegexNode, type RegexWork } from './parse-regex.js';

/**
 * What a regular expression matches as an expression over characters. `whole` takes it as if `^` stood
 * before it and `$` behind, `search` lets anything stand around it where it has no such anchor.
 */
export function regexExpression(
  source: string,
  flags: string,
  mode: 'whole' | 'search',
  fail: RegexFailure,
  spend: RegexWork,
): Expression {
  const anchored = mode === 'whole';
  return resolve(parseRegex(source, flags, fail, spend), { start: anchored, end: anchored }, fail);
}

/** Which ends of the text a part is tied to. */
interface Ties {
  readonly start: boolean;
  readonly end: boolean;
}

function resolve(node: RegexNode, ties: Ties, fail: RegexFailure): Expression {
  if (node.kind === 'choice') return choice(...node.items.map((item) => resolve(item, ties, fail)));
  let items = node.kind === 'sequence' ? node.items : [node];
  let { start, end } = ties;
  for (; isAnchor(items[0], '^'); items = items.slice(1)) start = true;
  for (; isAnchor(items.at(-1), '$'); items = items.slice(0, -1)) end = true;
  const [first] = items;
  // A group that is all there is may have anchors of its own.
  if (items.length === 1 && (first?.kind === 'choice' || first?.kind === 'sequence')) {
    return resolve(first, { start, end }, fail);
  }
  const around = repeat(anyCharacter, 0, Infinity);
  const inner = items.map((item) => withoutAnchors(item, fail));
  return sequence(start ? empty : around, ...inner, end ? empty : around);
}

function isAnchor(node: RegexNode | undefined, character: '^' | '$'): boolean {
  return node?.kind === 'anchor' && node.character === character;
}

function withoutAnchors(node: RegexNode, fail: RegexFailure): Expression {
  switch (node.kind) {
    case 'class':
      return oneOf(node.set);
    case 'anchor':
      return fail(`has a "${node.character}" in its middle`, node.offset);
    case 'sequence':
      return sequence(...node.items.map((item) => withoutAnchors(item, fail)));
    case 'choice':
      return choice(...node.items.map((item) => withoutAnchors(item, fail)));
    case 'repeat':
      return repeat(withoutAnchors(node.item, fail), node.min, node.max);
  }
}

/** How many characters an expression without rules matches, at least and at most. */
export function lengthsOf(expression: Expression): { readonly min: number; readonly max: number } {
  switch (expression.kind) {
    case 'never':
    case 'rule':
      return { min: 0, max: Infinity };
    case 'text': {
      const length = Array.from(expression.text).length;
      return { min: length, max: length };
    }
    case 'class':
      return { min: 1, max: 1 };
    case 'sequence': {
      const lengths = expression.items.map(lengthsOf);
      return {
        min: lengths.reduce((sum, { min }) => sum + min, 0),
        max: lengths.reduce((sum, { max }) => sum + max, 0),
      };
    }
    case 'choice': {
      const lengths = expression.items.map(lengthsOf);
      return {
        min: Math.min(...lengths.map(({ min }) => min)),
        max: Math.max(...lengths.map(({ max }) => max)),
      };
    }
    case 'repeat': {
      const { min, max } = lengthsOf(expression.item);
      return { min: min * expression.min, max: max === 0 ? 0 : max * expression.max };
    }
  }
}

/**
 * What of an expression is so many characters long; `undefined` where that takes counting across
 * several parts, which a grammar cannot.
 */
export function ofLength(expression: Expression, min: number, max: number): Expression | undefined {
  const lengths = lengthsOf(expression);
  if (lengths.max < min || lengths.min > max) return never;
  if (min <= lengths.min && lengths.max <= max) return expression;
  if (expression.kind === 'choice') {
    const items = expression.items.map((item) => ofLength(item, min, max));
    return items.includes(undefined) ? undefined : choice(...(items as readonly Expression[]));
  }
  if (expression.kind === 'repeat') {
    const { min: least, max: most } = lengthsOf(expression.item);
    if (least !== most || least === 0) return undefined;
    return repeat(
      expression.item,
      Math.max(expression.min, Math.ceil(min / least)),
      Math.min(expression.max, Math.floor(max / least)),
    );
  }
  if (expression.kind !== 'sequence') return undefined;
  const elastic = expression.items.findIndex((item) => !isFixed(item));
  const fixed = expression.items.filter((_, at) => at !== elastic);
  const item = expression.items[elastic];
  if (item === undefined || !fixed.every(isFixed)) return undefined;
  const rest = lengthsOf(sequence(...fixed)).min;
  const narrowed = ofLength(item, Math.max(0, min - rest), max - rest);
  return narrowed && sequence(...expression.items.with(elastic, narrowed));
}

function isFixed(expression: Expression): boolean {
  const { min, max } = lengthsOf(expression);
  return min === max;
}
