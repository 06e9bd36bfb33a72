import { type Expression, rename, rule } from './expression.js';
import { jsonRules } from './json-grammar.js';

/** The rules of several schemas in one grammar. */
export interface MergedRules {
  readonly rules: ReadonlyMap<string, Expression>;
  /** What each of the schemas matches, in order. */
  readonly roots: readonly Expression[];
}

/** Puts the rules of several schemas beside each other; those that every schema has stand there once. */
export function mergeRules(schemas: readonly ReadonlyMap<string, Expression>[]): MergedRules {
  const common = jsonRules('flexible');
  const rules = new Map(common);
  for (const [index, own] of schemas.entries()) {
    const newName = (name: string) => (common.has(name) ? name : nameIn(index, name));
    for (const [name, expression] of own) {
      if (!common.has(name)) rules.set(newName(name), rename(expression, newName));
    }
  }
  return { rules, roots: schemas.map((_, index) => rule(nameIn(index, 'root'))) };
}

function nameIn(index: number, name: string): string {
  return `schema-${index}-${name}`;
}
