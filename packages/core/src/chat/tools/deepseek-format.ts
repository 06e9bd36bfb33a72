import type { CallContext, CallFormat, CallOpening } from './call-format.js';
import { BrokenCall, type Reading } from './call-reader.js';
import { parseJson } from './parse-json.js';
import { nameCharacter } from './read-function-tag.js';
import { readJsonCalls } from './read-json-calls.js';

const marks = {
  begin: '<｜tool▁calls▁begin｜>',
  end: '<｜tool▁calls▁end｜>',
  callBegin: '<｜tool▁call▁begin｜>',
  callEnd: '<｜tool▁call▁end｜>',
  separator: '<｜tool▁sep｜>',
} as const;

const callBegin = `${marks.callBegin}function${marks.separator}`;

/** So the distilled models, whose own vocabularies do not always hold the marks, spell them as well. */
const otherBegins = ['<｜tool_calls_begin｜>', '<｜tool calls begin｜>', '<｜tool▁calls｜>'];

/**
 * DeepSeek V3, R1 and what was distilled from it: between marks of their own `function`, a mark, the
 * name and a fenced block of JSON for each call; since V3.1 only the name, a mark and JSON.
 */
export const deepseekFormat: CallFormat = {
  name: 'deepseek',
  marks: Object.values(marks),
  openings: [
    ...[marks.begin, ...otherBegins].map((mark): CallOpening => ({
      mark,
      where: 'anywhere',
      read: readCalls,
    })),
    { mark: marks.callBegin, where: 'anywhere', read: readCallsFromFirst },
    {
      mark: '{',
      where: 'start',
      keepsMark: true,
      read: (context) => readJsonCalls(context, { bare: true }),
    },
  ],
  form: {
    open: marks.begin + callBegin,
    call: ['', '\n```json\n', '\n```'],
    separator: `${marks.callEnd}\n${callBegin}`,
    close: marks.callEnd + marks.end,
  },
};

function* readCalls(context: CallContext): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  yield* reader.literal(marks.callBegin);
  yield* readCallsFromFirst(context);
}

/** Reads calls, the first of whose opening mark is read. */
function* readCallsFromFirst(context: CallContext): Reading<void> {
  const { reader } = context;
  do {
    yield* readCall(context);
    yield* reader.skipSpace();
  } while (yield* reader.literal(marks.callBegin));
  yield* reader.literal(marks.end);
}

function* readCall(context: CallContext): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  let name = yield* reader.word(nameCharacter);
  if ((yield* reader.literal(marks.separator)) && name === 'function') {
    const next = yield* reader.word(nameCharacter);
    // A tool may itself be named so: then its arguments follow.
    if (next !== '') name = next;
  }
  if (name === '') throw new BrokenCall('malformed', 'it names no tool');
  yield* reader.skipSpace();
  const fenced = yield* reader.literal('```');
  if (fenced) yield* reader.literal('json');
  yield* reader.skipSpace();
  if ((yield* reader.peek()) !== '{') yield* reader.expect('{');
  context.begin(name);
  const json = yield* reader.json((text) => {
    context.delta(text);
  });
  context.finish(parseJson(json));
  yield* reader.skipSpace();
  if (fenced && (yield* reader.literal('```'))) yield* reader.skipSpace();
  yield* reader.literal(marks.callEnd);
}
