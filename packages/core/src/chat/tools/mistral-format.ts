import type { CallContext, CallFormat } from './call-format.js';
import { BrokenCall, type Reading } from './call-reader.js';
import { parseJson } from './parse-json.js';
import { nameCharacter } from './read-function-tag.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

/**
 * Mistral: `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`, and since 2025 once for each call
 * `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`, the id being left out by most.
 */
export const mistralFormat: CallFormat = {
  name: 'mistral',
  marks: ['[TOOL_CALLS]', '[CALL_ID]', '[ARGS]'],
  openings: [{ mark: '[TOOL_CALLS]', where: 'anywhere', read }],
  form: {
    open: '[TOOL_CALLS]',
    list: ['[', ']'],
    call: jsonCall('arguments'),
    separator: ', ',
    close: '',
  },
};

function* read(context: CallContext): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  const first = yield* reader.peek();
  if (first === '[' || first === '{') {
    yield* readJsonCalls(context);
    return;
  }
  const name = yield* reader.word(nameCharacter);
  if (name === '') throw new BrokenCall('malformed', 'it names no tool');
  yield* reader.skipSpace();
  const id = (yield* reader.literal('[CALL_ID]')) ? yield* readId(context) : undefined;
  yield* reader.literal('[ARGS]');
  yield* reader.skipSpace();
  if ((yield* reader.peek()) !== '{') yield* reader.expect('{');
  context.begin(name, id);
  const json = yield* reader.json((text) => {
    context.delta(text);
  });
  context.finish(parseJson(json));
}

function* readId({ reader }: CallContext): Reading<string> {
  yield* reader.skipSpace();
  const id = yield* reader.word(/\w/u);
  yield* reader.skipSpace();
  return id;
}
