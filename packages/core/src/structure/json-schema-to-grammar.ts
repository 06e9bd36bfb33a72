import * as check from '../errors/check-options.js';
import type { Expression } from './expression.js';
import type { JsonWhitespace } from './json-grammar.js';
import { isPlainObject, type Located } from './schema-alternatives.js';
import { SchemaCompiler } from './schema-compiler.js';
import { malformedSchema, unsupportedSchema } from './schema-errors.js';
import { writeGrammar } from './write-grammar.js';

/**
 * A JSON Schema, of draft 2020-12, 2019-09 or 07, or as OpenAPI has it: an object of keywords, or `true`
 * or `false`.
 */
export type JsonSchema = boolean | object;

/** Options of {@link jsonSchemaToGrammar}. */
export interface JsonSchemaGrammarOptions {
  /**
   * How the JSON may be laid out. `flexible`, the default, leaves the model the forms that it was
   * trained on: a space or none behind `:`, and behind `{`, `[`, `,` and before `}`, `]` nothing, a space,
   * or a line end with 16 spaces at most. `compact` is what `JSON.stringify` writes.
   */
  readonly whitespace?: JsonWhitespace;
}

const checkOptions = check.optionsObject({ whitespace: check.oneOf('flexible', 'compact') });

/**
 * Writes a JSON Schema as a grammar in GBNF. All that the grammar matches is JSON that is valid by the
 * schema. What is valid and left out: properties in another order than declared, others than declared
 * where `additionalProperties` is missing, escapes that JSON does not need, numbers of more digits than
 * are exact. The page `docs/structured-output.md` says what becomes of each keyword.
 *
 * @throws MobillmError `SCHEMA_UNSUPPORTED` for a keyword that cannot be followed, with `keyword` and
 * `path`; InvalidArgument for what is no schema.
 */
export function jsonSchemaToGrammar(
  schema: JsonSchema,
  options: JsonSchemaGrammarOptions = {},
): string {
  const { whitespace = 'flexible' } = checkOptions(options, '');
  return grammarOfRules(compileSchema(schema, whitespace).rules);
}

/**
 * The rules of a schema, `root` among them.
 *
 * @param also what holds besides, such as that it is an object.
 * @throws as {@link jsonSchemaToGrammar}.
 */
export function compileSchema(
  schema: JsonSchema,
  whitespace: JsonWhitespace,
  also: readonly Located[] = [],
): SchemaCompiler {
  if (typeof schema !== 'boolean' && !isPlainObject(schema)) {
    throw malformedSchema(
      '#',
      'a JSON Schema: a plain object of keywords, true or false (a validator of a library has to be converted first)',
      schema,
    );
  }
  const compiler = new SchemaCompiler(schema, whitespace, also);
  refuseRulesThatBeginWithThemselves(compiler.rules, compiler.pathOfRule);
  return compiler;
}

/**
 * The grammar of a schema's rules.
 *
 * @throws MobillmError `SCHEMA_UNSUPPORTED` where it is too large, or matches nothing.
 */
export function grammarOfRules(rules: ReadonlyMap<string, Expression>): string {
  const grammar = writeGrammar(rules, (sentence) => {
    throw unsupportedSchema('type', '#', `${sentence}; make the schema smaller`);
  });
  if (grammar === undefined) {
    throw unsupportedSchema('type', '#', 'leaves no value: nothing that ends is valid');
  }
  return grammar;
}

/** An `anyOf` that leads back to itself leaves nothing to begin with. */
function refuseRulesThatBeginWithThemselves(
  rules: ReadonlyMap<string, Expression>,
  pathOfRule: ReadonlyMap<string, string>,
): void {
  const done = new Set<string>();
  const above = new Set<string>();
  const visit = (name: string): void => {
    if (above.has(name)) {
      const path = pathOfRule.get(name) ?? '#';
      throw unsupportedSchema(
        '$ref',
        path,
        'leads back to where it stands, with nothing in between',
      );
    }
    if (done.has(name)) return;
    above.add(name);
    for (const first of firstRules(rules.get(name))) visit(first);
    above.delete(name);
    done.add(name);
  };
  for (const name of rules.keys()) visit(name);
}

/** The rules with which an expression can begin. What stands first in JSON is never empty. */
function firstRules(expression: Expression | undefined): readonly string[] {
  if (expression?.kind === 'rule') return [expression.name];
  if (expression?.kind === 'choice') return expression.items.flatMap(firstRules);
  return expression?.kind === 'sequence' ? firstRules(expression.items[0]) : [];
}
