import { type CodePoints, complement, lastCodePoint } from './code-points.js';
import { choice, type Expression, never, repeat, sequence } from './expression.js';

/** Bounds of what is written: a schema or pattern may be anybody's, and every engine compiles it. */
export const grammarLimits = {
  /** Parts of all rules, with each repetition written out as an engine does. */
  parts: 100_000,
  /** Characters of the text. */
  characters: 1 << 19,
  /** Rules looked for in others, to find those that can match: more than there are where they need each other. */
  looks: 500_000,
  /** The most often that a thing may be repeated. */
  repetitions: 20_000,
} as const;

/** Tells that a grammar is past one of {@link grammarLimits}, in a sentence. */
export type GrammarTooLarge = (sentence: string) => never;

/**
 * Writes a grammar in GBNF: the rule `root` first, then those that it needs. What can never match is
 * left out first: a branch that needs itself, for one.
 *
 * Gives `undefined` where no text at all can match.
 */
export function writeGrammar(
  rules: ReadonlyMap<string, Expression>,
  tooLarge: GrammarTooLarge,
): string | undefined {
  const possible = possibleRules(rules, tooLarge);
  const written = new Map<string, string>();
  const classes = new Map<string, string>();
  const todo = ['root'];
  let parts = 0;
  let characters = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (written.has(name)) continue;
    const expression = withoutImpossible(rules.get(name) ?? never, possible);
    if (expression.kind === 'never') return undefined;
    parts += partsOf(expression, tooLarge);
    if (parts > grammarLimits.parts) {
      tooLarge(`needs a grammar of more than ${grammarLimits.parts} parts`);
    }
    const line = show(expression, classes, 'choice');
    characters += line.length;
    if (characters > grammarLimits.characters) {
      tooLarge(`needs a grammar of more than ${grammarLimits.characters} characters`);
    }
    written.set(name, line);
    todo.push(...rulesIn(expression).toReversed());
  }
  const lines = [...written].map(([name, line]) => `${name} ::= ${line}\n`);
  for (const [line, name] of classes) lines.push(`${name} ::= ${line}\n`);
  return lines.join('');
}

/** The rules that match some text. */
function possibleRules(
  rules: ReadonlyMap<string, Expression>,
  tooLarge: GrammarTooLarge,
): ReadonlySet<string> {
  const possible = new Set<string>();
  /** Rules that could not match by what was known of others, and may by what is found out later. */
  const undecided = new Set<string>();
  let looked = 0;
  const users = new Map<string, string[]>();
  const usedBy = new Map<string, number>();
  for (const [name, expression] of rules) {
    const all = rulesIn(expression);
    usedBy.set(name, all.length);
    for (const used of new Set(all)) {
      const known = users.get(used);
      if (known === undefined) users.set(used, [name]);
      else known.push(name);
    }
  }
  // In the order in which they were made: what a rule needs mostly comes before it.
  for (const begin of rules.keys()) {
    const todo = [begin];
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (possible.has(name)) continue;
      looked += 1 + (usedBy.get(name) ?? 0);
      if (looked > grammarLimits.looks)
        tooLarge('needs a grammar whose rules need each other too often');
      if (isPossible(rules.get(name) ?? never, possible)) {
        possible.add(name);
        todo.push(...(users.get(name) ?? []).filter((user) => undecided.has(user)));
      } else {
        undecided.add(name);
      }
    }
  }
  return possible;
}

function isPossible(expression: Expression, possible: ReadonlySet<string>): boolean {
  switch (expression.kind) {
    case 'never':
      return false;
    case 'text':
    case 'class':
      return true;
    case 'rule':
      return possible.has(expression.name);
    case 'sequence':
      return expression.items.every((item) => isPossible(item, possible));
    case 'choice':
      return expression.items.some((item) => isPossible(item, possible));
    case 'repeat':
      return expression.min === 0 || isPossible(expression.item, possible);
  }
}

function withoutImpossible(expression: Expression, possible: ReadonlySet<string>): Expression {
  const clean = (item: Expression) => withoutImpossible(item, possible);
  switch (expression.kind) {
    case 'rule':
      return possible.has(expression.name) ? expression : never;
    case 'sequence':
      return sequence(...expression.items.map(clean));
    case 'choice':
      return choice(...expression.items.map(clean));
    case 'repeat':
      return repeat(clean(expression.item), expression.min, expression.max);
    case 'never':
    case 'text':
    case 'class':
      return expression;
  }
}

/** The rules that an expression names, in order. */
export function rulesIn(expression: Expression): readonly string[] {
  if (expression.kind === 'rule') return [expression.name];
  if (expression.kind === 'repeat') return rulesIn(expression.item);
  return 'items' in expression ? expression.items.flatMap(rulesIn) : [];
}

function partsOf(expression: Expression, tooLarge: GrammarTooLarge): number {
  switch (expression.kind) {
    case 'never':
    case 'rule':
    case 'class':
      return 1;
    case 'text':
      return 1 + expression.text.length;
    case 'sequence':
    case 'choice':
      return expression.items.reduce((sum, item) => sum + partsOf(item, tooLarge), 1);
    case 'repeat': {
      const { min, max } = expression;
      const times = max === Infinity ? min + 1 : max;
      if (times > grammarLimits.repetitions) {
        tooLarge(`repeats something ${times} times; ${grammarLimits.repetitions} is the most`);
      }
      return 1 + times * (1 + partsOf(expression.item, tooLarge));
    }
  }
}

/** Where an expression stands: what binds less than its place goes into parentheses. */
type Place = 'choice' | 'sequence' | 'item';

function show(expression: Expression, classes: Map<string, string>, place: Place): string {
  switch (expression.kind) {
    case 'never':
      throw new Error('What matches nothing was left out before.');
    case 'rule':
      return expression.name;
    case 'text':
      return showText(expression.text);
    case 'class':
      return nameClass(showClass(expression.set), classes);
    case 'sequence': {
      const line = expression.items.map((item) => show(item, classes, 'sequence')).join(' ');
      return place === 'item' ? `(${line})` : line;
    }
    case 'choice': {
      const line = expression.items.map((item) => show(item, classes, 'choice')).join(' | ');
      return place === 'choice' ? line : `(${line})`;
    }
    case 'repeat': {
      const { item, min, max } = expression;
      const inner = show(item, classes, 'item');
      const compound =
        item.kind === 'repeat' || (item.kind === 'text' && Array.from(item.text).length > 1);
      return (compound ? `(${inner})` : inner) + showBounds(min, max);
    }
  }
}

function showBounds(min: number, max: number): string {
  if (min === 0 && max === 1) return '?';
  if (max === Infinity) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

/** A long class stands once, as a rule of its own: an engine writes it out wherever it is used. */
function nameClass(line: string, classes: Map<string, string>): string {
  if (line.length <= 24) return line;
  const name = classes.get(line) ?? `chars-${classes.size + 1}`;
  classes.set(line, name);
  return name;
}

function showText(value: string): string {
  const characters = Array.from(value, (character) => showCharacter(character.codePointAt(0) ?? 0));
  return `"${characters.join('')}"`;
}

function showClass(set: CodePoints): string {
  const rest = complement(set);
  if (rest.length === 0) return '.';
  // Shorter from the other side: all but a few.
  const negated = rest.length < set.length && (set.at(-1)?.[1] ?? 0) === lastCodePoint;
  const ranges = (negated ? rest : set).map(
    ([first, last]) => showMember(first) + (first === last ? '' : `-${showMember(last)}`),
  );
  return `[${negated ? '^' : ''}${ranges.join('')}]`;
}

function showMember(code: number): string {
  const meansMore = '[]^-'.includes(String.fromCodePoint(code));
  return meansMore ? `\\x${code.toString(16).toUpperCase()}` : showCharacter(code);
}

/** Plain where it can mean nothing else, by its number otherwise. */
function showCharacter(code: number): string {
  if (code === 0x22) return '\\"';
  if (code === 0x5c) return '\\\\';
  if (code === 0x0a) return '\\n';
  if (code >= 0x20 && code < 0x7f) return String.fromCodePoint(code);
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
