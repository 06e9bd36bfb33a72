import type { CallFormat } from './call-format.js';
import { deepseekFormat } from './deepseek-format.js';
import { functionaryFormat } from './functionary-format.js';
import { gemmaFormat } from './gemma-format.js';
import { genericFormat } from './generic-format.js';
import { hermesFormat } from './hermes-format.js';
import { llamaFormat } from './llama-format.js';
import { mistralFormat } from './mistral-format.js';
import { phiFormat } from './phi-format.js';

/** What tells a family by its template, the surest first. */
const byTemplate: readonly (readonly [RegExp, CallFormat])[] = [
  [/<｜tool[▁ _]call/u, deepseekFormat],
  [/\[TOOL_CALLS\]/u, mistralFormat],
  [/<start_function_call>|<\|tool_call>/u, gemmaFormat],
  [/<\|tool_call\|>|<\|tool\|>|functools\[/u, phiFormat],
  [/<tool_call>/u, hermesFormat],
  [/>>>(?:all|['"])|<function=/u, functionaryFormat],
  [/<\|python_tag\|>|Environment: ipython/u, llamaFormat],
];

/** And by its vocabulary, where the template knows nothing of calls. */
const byVocabulary: readonly (readonly [string, CallFormat])[] = [
  ['<｜tool▁calls▁begin｜>', deepseekFormat],
  ['[TOOL_CALLS]', mistralFormat],
  ['<start_function_call>', gemmaFormat],
  ['<|tool_call>', gemmaFormat],
  ['<|tool_call|>', phiFormat],
  ['<tool_call>', hermesFormat],
  ['<|python_tag|>', llamaFormat],
  ['<start_of_turn>', gemmaFormat],
];

/**
 * Tells how a model writes its calls.
 *
 * @param template Jinja source of its chat template.
 * @param specialTexts spelling of its special tokens.
 */
export function detectFormat(template: string, specialTexts: ReadonlySet<string>): CallFormat {
  const own = byTemplate.find(([pattern]) => pattern.test(template));
  if (own) return own[1];
  const known = byVocabulary.find(([mark]) => specialTexts.has(mark));
  return known?.[1] ?? genericFormat;
}
