import type { CallContext, CallFormat } from './call-format.js';
import type { Reading } from './call-reader.js';
import { readCallList } from './read-call-list.js';
import { functionTag } from './read-function-tag.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

/**
 * Llama 3.1 to 3.3: `{"name": …, "parameters": {…}}` as the whole answer, sometimes behind
 * `<|python_tag|>`, several with `;` between them; also `<function=name>{…}</function>`, and
 * `[name(key=value)]` of Llama 3.2 and 4.
 */
export const llamaFormat: CallFormat = {
  name: 'llama',
  marks: ['<|python_tag|>'],
  openings: [
    { mark: '<|python_tag|>', where: 'anywhere', read: (context) => readObjects(context, false) },
    functionTag,
    {
      mark: '{',
      where: 'start',
      keepsMark: true,
      read: (context) => readObjects(context, true),
    },
    { mark: '[', where: 'start', read: readCallList },
  ],
  form: { open: '', call: jsonCall('parameters'), separator: '; ', close: '' },
};

function* readObjects(context: CallContext, bare: boolean): Reading<void> {
  const { reader } = context;
  yield* readJsonCalls(context, { bare });
  for (;;) {
    yield* reader.skipSpace();
    const separated = yield* reader.literal(';');
    yield* reader.skipSpace();
    const next = yield* reader.peek();
    if (next !== '{' || !separated) return;
    yield* readJsonCalls(context);
  }
}
