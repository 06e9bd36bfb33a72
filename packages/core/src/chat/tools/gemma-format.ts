import type { CallContext, CallFormat, CallOpening } from './call-format.js';
import { BrokenCall, incomplete, type Reading } from './call-reader.js';
import { maxJsonDepth } from './check-tools.js';
import { parseJson } from './parse-json.js';
import { readCallList } from './read-call-list.js';
import { fence } from './read-fence.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

/**
 * Gemma 2 and 3, which have no format of their own and write JSON or Python in fences as they are
 * told; FunctionGemma, `<start_function_call>call:name{key:<escape>text<escape>}<end_function_call>`;
 * and Gemma 4, `<|tool_call>call:name{key:<|"|>text<|"|>}<tool_call|>`.
 */
export const gemmaFormat: CallFormat = {
  name: 'gemma',
  marks: [
    '<start_function_call>',
    '<end_function_call>',
    '<escape>',
    '<|tool_call>',
    '<tool_call|>',
    '<|"|>',
  ],
  openings: [
    ownMarks('<start_function_call>', '<end_function_call>', '<escape>'),
    ownMarks('<|tool_call>', '<tool_call|>', '<|"|>'),
    fence,
    {
      mark: '{',
      where: 'line',
      keepsMark: true,
      read: (context) => readJsonCalls(context, { bare: true }),
    },
    { mark: '[', where: 'start', read: readCallList },
  ],
  form: {
    open: '',
    list: ['```json\n[', ']\n```'],
    call: jsonCall('arguments'),
    separator: ', ',
    close: '',
  },
};

function ownMarks(mark: string, close: string, quote: string): CallOpening {
  return {
    mark,
    where: 'anywhere',
    *read(context) {
      const { reader } = context;
      yield* reader.skipSpace();
      yield* reader.expect('call:');
      const name = yield* reader.word(/[\w./-]/u);
      yield* reader.skipSpace();
      yield* reader.expect('{');
      context.begin(name);
      context.finish(yield* readMembers(context, quote, 0));
      yield* reader.skipSpace();
      yield* reader.literal(close);
    },
  };
}

/** Reads `key:value, …}`. */
function* readMembers(context: CallContext, quote: string, depth: number): Reading<unknown> {
  const { reader } = context;
  const members = new Map<string, unknown>();
  for (let first = true; ; first = false) {
    yield* reader.skipSpace();
    if (yield* reader.literal('}')) return Object.fromEntries(members);
    if (!first) {
      yield* reader.expect(',');
      yield* reader.skipSpace();
    }
    const next = yield* reader.peek();
    const key = (yield* reader.literal(quote))
      ? yield* reader.until(quote)
      : next === '"'
        ? String(parseJson(yield* reader.json()))
        : (yield* reader.word(/[^:,{}[\]]/u)).trim();
    yield* reader.skipSpace();
    yield* reader.expect(':');
    yield* reader.skipSpace();
    members.set(key, yield* readValue(context, quote, depth + 1));
  }
}

function* readValue(context: CallContext, quote: string, depth: number): Reading<unknown> {
  const { reader } = context;
  if (depth > maxJsonDepth) {
    throw new BrokenCall('malformed', `it is nested deeper than ${maxJsonDepth} levels`);
  }
  if (yield* reader.literal(quote)) return yield* reader.until(quote);
  if (yield* reader.literal('{')) return yield* readMembers(context, quote, depth);
  if (yield* reader.literal('[')) return yield* readItems(context, quote, depth);
  if ((yield* reader.peek()) === '"') return parseJson(yield* reader.json());
  const word = (yield* reader.word(/[^,{}[\]]/u)).trim();
  if (word === '' && (yield* reader.peek()) === '') throw incomplete();
  if (word === '') throw new BrokenCall('malformed', 'a value is missing');
  try {
    return JSON.parse(word) as unknown;
  } catch {
    return word;
  }
}

function* readItems(context: CallContext, quote: string, depth: number): Reading<unknown[]> {
  const { reader } = context;
  const items: unknown[] = [];
  for (;;) {
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return items;
    items.push(yield* readValue(context, quote, depth + 1));
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return items;
    yield* reader.expect(',');
  }
}
