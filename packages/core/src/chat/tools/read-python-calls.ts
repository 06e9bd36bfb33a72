import type { CallContext } from './call-format.js';
import { BrokenCall, NotACall, type Reading } from './call-reader.js';
import { maxJsonDepth } from './check-tools.js';
import { readPythonValue } from './read-python-value.js';

const nameCharacter = /[\w.]/u;

/** Reads `name(key=value), …]`, what follows the bracket of a list of calls. */
export function* readPythonList(context: CallContext): Reading<void> {
  const { reader } = context;
  for (let bare = true; ; bare = false) {
    yield* readPythonCall(context, bare);
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return;
    yield* reader.expect(',');
    yield* reader.skipSpace();
  }
}

/**
 * Reads `name(key=value, …)`, where need be inside `print(…)`.
 *
 * @param bare whether no mark says that this is a call, so that one of an unknown tool is text.
 */
export function* readPythonCall(context: CallContext, bare: boolean, depth = 0): Reading<void> {
  const { reader, tools } = context;
  const written = yield* reader.word(nameCharacter);
  if (written === '' || !(yield* reader.literal('('))) {
    throw bare ? new NotACall() : new BrokenCall('malformed', 'it is no call of a tool');
  }
  yield* reader.skipSpace();
  if (written === 'print' && !tools.has('print') && depth < maxJsonDepth) {
    yield* readPythonCall(context, bare, depth + 1);
    yield* reader.skipSpace();
    yield* reader.expect(')');
    return;
  }
  // Gemini's tools, which Gemma imitates, stand in a module of this name.
  const name = tools.has(written) ? written : written.replace(/^(?:default_api|tools)\./u, '');
  if (bare && !tools.has(name)) throw new NotACall();
  context.begin(name);
  context.finish(yield* readKeywords(context));
}

function* readKeywords({ reader }: CallContext): Reading<Readonly<Record<string, unknown>>> {
  const given = new Map<string, unknown>();
  for (let first = true; ; first = false) {
    yield* reader.skipSpace();
    if (yield* reader.literal(')')) return Object.fromEntries(given);
    if (!first) {
      yield* reader.expect(',');
      yield* reader.skipSpace();
      if (yield* reader.literal(')')) return Object.fromEntries(given);
    }
    const key = yield* reader.word(nameCharacter);
    yield* reader.skipSpace();
    if (key === '' || !(yield* reader.literal('='))) {
      throw new BrokenCall('malformed', 'its arguments have no names');
    }
    yield* reader.skipSpace();
    given.set(key, yield* readPythonValue(reader));
  }
}
