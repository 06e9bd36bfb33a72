import type { CallContext } from './call-format.js';
import type { Reading } from './call-reader.js';
import { readJsonCalls } from './read-json-calls.js';
import { readPythonList } from './read-python-calls.js';

/** Reads calls in JSON or in Python and the bracket behind them: what follows that of a list. */
export function* readCallList(context: CallContext): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  if ((yield* reader.peek()) !== '{') {
    yield* readPythonList(context);
    return;
  }
  for (let bare = true; ; bare = false) {
    yield* readJsonCalls(context, { bare });
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return;
    yield* reader.expect(',');
  }
}
