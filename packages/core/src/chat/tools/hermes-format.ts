import type { CallContext, CallFormat } from './call-format.js';
import type { Reading } from './call-reader.js';
import { functionTag, readFunctionTag } from './read-function-tag.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

/**
 * Hermes 2 and 3, Qwen 2.5 and 3, and many that were tuned like them:
 * `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. Qwen3-Coder writes a `<function=name>` with a
 * tag a parameter between the marks, and sometimes forgets the first of them.
 */
export const hermesFormat: CallFormat = {
  name: 'hermes',
  marks: ['<tool_call>', '</tool_call>'],
  openings: [
    { mark: '<tool_call>', where: 'anywhere', read: readToolCall },
    { ...functionTag, read: readBareTag },
  ],
  form: {
    open: '<tool_call>\n',
    call: jsonCall('arguments'),
    separator: '\n</tool_call>\n<tool_call>\n',
    close: '\n</tool_call>',
  },
};

/** Reads what follows `<tool_call>`. */
export function* readToolCall(context: CallContext): Reading<void> {
  const { reader } = context;
  do {
    yield* reader.skipSpace();
    if (yield* reader.literal(functionTag.mark)) yield* readFunctionTag(context);
    else yield* readJsonCalls(context);
    yield* reader.skipSpace();
  } while ((yield* reader.peek()) === '{');
  yield* reader.literal('</tool_call>');
}

function* readBareTag(context: CallContext): Reading<void> {
  yield* readFunctionTag(context);
  yield* context.reader.skipSpace();
  yield* context.reader.literal('</tool_call>');
}
