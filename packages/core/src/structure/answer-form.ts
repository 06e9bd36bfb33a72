import type { Check } from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import { type JsonSchema, jsonSchemaToGrammar } from './json-schema-to-grammar.js';
import { regexToGrammar } from './regex-to-grammar.js';

/** The options that say what form an answer is to have: one of them at most. */
export interface AnswerForm {
  /** A grammar in GBNF. */
  readonly grammar?: string | undefined;
  /** A JSON Schema. */
  readonly schema?: JsonSchema | undefined;
  /** A regular expression, or its source. */
  readonly regex?: RegExp | string | undefined;
}

/** Their names. */
export const answerForms = ['grammar', 'schema', 'regex'] as const;

/** Checks that a value can be a schema; what it says is checked when its grammar is written. */
export const checkSchema: Check<JsonSchema> = (value, key) => {
  if (typeof value === 'boolean' || (typeof value === 'object' && value !== null)) return value;
  throw wrongType(key, 'a JSON Schema: an object of keywords, true or false', value);
};

/** Checks that a value can be a regular expression, of this realm or another. */
export const checkRegex: Check<RegExp | string> = (value, key) => {
  const isRegex = Object.prototype.toString.call(value) === '[object RegExp]';
  if (isRegex || typeof value === 'string') return value as RegExp | string;
  throw wrongType(key, 'a regular expression, as a RegExp or a string', value);
};

/** The option that asks for a form, if one does. */
export function formOf(options: AnswerForm): keyof AnswerForm | undefined {
  return formsOf(options)[0];
}

function formsOf(options: AnswerForm): readonly (keyof AnswerForm)[] {
  return answerForms.filter((form) => options[form] !== undefined);
}

/**
 * Grammars of schemas that were asked for before, and what these said then: a program mostly has few, and
 * uses them often.
 */
const written = new WeakMap<object, { readonly said: string; readonly grammar: string }>();

/**
 * The grammar that an answer is to match, whichever option asks for it. A schema object is written anew
 * only when it has changed.
 *
 * @throws what {@link jsonSchemaToGrammar} and {@link regexToGrammar} throw; InvalidArgument where two
 * options ask for a form.
 */
export function grammarOf({ grammar, schema, regex }: AnswerForm): string | undefined {
  const [first, second] = formsOf({ grammar, schema, regex });
  if (first !== undefined && second !== undefined) {
    throw wrongValue(second, `cannot be given beside "${first}": an answer has one form`);
  }
  if (regex !== undefined) return regexToGrammar(regex);
  if (schema === undefined) return grammar;
  if (typeof schema === 'boolean') return jsonSchemaToGrammar(schema);
  const said = textOf(schema);
  const known = written.get(schema);
  if (known && known.said === said) return known.grammar;
  const own = jsonSchemaToGrammar(schema);
  if (said !== undefined) written.set(schema, { said, grammar: own });
  return own;
}

/** A schema as JSON; nothing for one that is none somewhere, maybe where nobody looks. */
function textOf(schema: object): string | undefined {
  try {
    return JSON.stringify(schema);
  } catch {
    return undefined;
  }
}
