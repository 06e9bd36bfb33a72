import type { CallContext, CallFormat } from './call-format.js';
import { type Reading, NotACall } from './call-reader.js';
import { parseJson } from './parse-json.js';
import { functionTag, nameCharacter } from './read-function-tag.js';

/**
 * Functionary 3.1, `<function=name>{…}</function>`, and 3.2, where every part of an answer says whom it
 * is for: `>>>all` and text, `>>>name` and JSON; the first `>>>` is in the prompt.
 */
export const functionaryFormat: CallFormat = {
  name: 'functionary',
  marks: ['<|python_tag|>'],
  openings: [functionTag, { mark: '>>>', where: 'line', read: readRecipient }],
  continues: {
    promptEnd: '>>>',
    read: readRecipient,
    form: { open: '', call: ['', '\n', ''], separator: '\n>>>', close: '' },
  },
  form: { open: '', call: ['<function=', '>', '</function>'], separator: '\n', close: '' },
};

function* readRecipient(context: CallContext): Reading<void> {
  const { reader } = context;
  const name = yield* reader.word(nameCharacter);
  if (name === '' || !(yield* reader.literal('\n'))) throw new NotACall();
  // Whatever follows is for everybody to read.
  if (name === 'all') return;
  yield* reader.skipSpace();
  if ((yield* reader.peek()) !== '{') throw new NotACall();
  context.begin(name);
  const json = yield* reader.json((text) => {
    context.delta(text);
  });
  context.finish(parseJson(json));
}
