import type { CallContext, CallOpening } from './call-format.js';
import { NotACall, type Reading } from './call-reader.js';
import { readJsonCalls } from './read-json-calls.js';
import { readPythonCall, readPythonList } from './read-python-calls.js';

/** A fenced block that holds calls, in JSON or in Python; any other block is text. */
export const fence: CallOpening = { mark: '```', where: 'line', read };

function* read(context: CallContext): Reading<void> {
  const { reader } = context;
  const language = yield* reader.word(/\w/u);
  yield* reader.skipSpace();
  if (language === 'tool_code' || language === 'python') {
    if (yield* reader.literal('[')) yield* readPythonList(context);
    else yield* readStatements(context, language !== 'tool_code');
  } else {
    const next = yield* reader.peek();
    if (next !== '{' && next !== '[') throw new NotACall();
    do {
      yield* readJsonCalls(context, { bare: true });
      yield* reader.skipSpace();
    } while ((yield* reader.peek()) === '{');
  }
  yield* reader.skipSpace();
  yield* reader.literal('```');
}

function* readStatements(context: CallContext, bare: boolean): Reading<void> {
  const { reader } = context;
  do {
    yield* readPythonCall(context, bare);
    yield* reader.skipSpace();
    yield* reader.literal(';');
    yield* reader.skipSpace();
  } while (/\w/u.test(yield* reader.peek()));
}
