import { wrongValue } from '../../errors/invalid-argument.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import {
  choice,
  type Expression,
  repeat,
  rule,
  sequence,
  text,
} from '../../structure/expression.js';
import { mergeRules } from '../../structure/merge-rules.js';
import { compileSchema, grammarOfRules } from '../../structure/json-schema-to-grammar.js';
import { isPlainObject } from '../../structure/schema-alternatives.js';
import { type CallForm, type CallFormat, continuation } from './call-format.js';
import type { ToolDefinition } from './tool-definition.js';

/** An answer that is to be calls alone. */
export interface ForcedCalls {
  /** What the prompt ends with, as if the model had written it. */
  readonly opening: string;
  /** What the model would have written behind its last call. */
  readonly closing: string;
  /** What it writes between, as a grammar in GBNF; `promptText` is the prompt. */
  grammar(promptText: string): string;
}

/** What {@link forceCalls} is told. */
export interface ForceCallsOptions {
  /** How the model writes its calls. */
  readonly format: CallFormat;
  /** Spelling of its special tokens. */
  readonly specialTexts: readonly string[];
  /** Tools that may be called. */
  readonly tools: readonly ToolDefinition[];
  /** Calls of one answer at most; 1 where special tokens stand between calls. */
  readonly maxCalls: number;
}

/**
 * Makes a model call one of some tools: every text of the grammar is read as such calls, whose arguments
 * are valid by the tool's schema.
 *
 * @throws MobillmError `SCHEMA_UNSUPPORTED` naming the tool; InvalidArgument for what is no schema.
 */
export function forceCalls({
  format,
  specialTexts,
  tools,
  maxCalls,
}: ForceCallsOptions): ForcedCalls {
  const given = tools.map((tool) => ({ name: tool.function.name, rules: argumentRules(tool) }));
  const merged = mergeRules(given.map(({ rules }) => rules));
  const write = (own: CallForm): string => {
    const [before, after] = own.list ?? ['', ''];
    const call = choice(
      ...given.map(({ name }, index) =>
        sequence(
          text(own.call[0] + name + own.call[1]),
          merged.roots[index] ?? rule('object'),
          text(own.call[2]),
        ),
      ),
    );
    const separated = specialTexts.some((special) => own.separator.includes(special));
    const more = repeat(
      sequence(text(own.separator), rule('call')),
      0,
      separated ? 0 : maxCalls - 1,
    );
    const root = sequence(text(before), rule('call'), more, text(after));
    return grammarOfRules(new Map([...merged.rules, ['call', call], ['root', root]]));
  };
  return {
    opening: format.form.open,
    closing: format.form.close,
    grammar: (promptText) => write(continuation(format, promptText)?.form ?? format.form),
  };
}

/** The rules of a tool's arguments, which are an object whatever its schema says. */
function argumentRules({ function: described }: ToolDefinition): ReadonlyMap<string, Expression> {
  const { name, parameters = { properties: {} } } = described;
  // No properties, and no word of others: so tools without arguments are described.
  const { properties } = parameters;
  const none = isPlainObject(properties) && Object.keys(properties).length === 0;
  const schema = none ? { additionalProperties: false, ...parameters } : parameters;
  const isObject = { schema: { type: 'object' }, path: '#/(arguments)' };
  try {
    const { rules } = compileSchema(
      schema,
      'flexible',
      schema['type'] === 'object' ? [] : [isObject],
    );
    // One that matches nothing must not go unnoticed among others.
    grammarOfRules(rules);
    return rules;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const sentence = `calls of the tool "${name}" cannot be forced, since its parameters cannot be followed: ${message}`;
    if (!MobillmError.is(error)) throw wrongValue('tools', sentence);
    throw new MobillmError(error.code, `C${sentence.slice(1)}`, {
      details: { ...error.details, tool: name },
      cause: error,
    });
  }
}
