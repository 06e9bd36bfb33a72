import type { CallContext, CallFormat } from './call-format.js';
import type { Reading } from './call-reader.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

const open = '<|tool_call|>';
const close = '<|/tool_call|>';

/** Phi-4-mini and its like: `<|tool_call|>[{"name": …, "arguments": {…}}]<|/tool_call|>`, or `functools[…]`. */
export const phiFormat: CallFormat = {
  name: 'phi',
  marks: [open, close],
  openings: [
    { mark: open, where: 'anywhere', read },
    { mark: 'functools[', where: 'line', read: readFunctools },
    {
      mark: '[',
      where: 'start',
      keepsMark: true,
      read: (context) => readJsonCalls(context, { bare: true }),
    },
    {
      mark: '{',
      where: 'start',
      keepsMark: true,
      read: (context) => readJsonCalls(context, { bare: true }),
    },
  ],
  form: {
    open,
    list: ['[', ']'],
    call: jsonCall('arguments'),
    separator: ', ',
    close,
  },
};

function* read(context: CallContext): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  yield* reader.literal('functools');
  yield* readJsonCalls(context);
  yield* reader.skipSpace();
  yield* reader.literal(close);
}

/** Reads what follows `functools[`. */
function* readFunctools(context: CallContext): Reading<void> {
  const { reader } = context;
  for (let first = true; ; first = false) {
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return;
    if (!first) yield* reader.expect(',');
    yield* readJsonCalls(context);
  }
}
