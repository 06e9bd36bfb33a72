import type { CallContext, CallOpening } from './call-format.js';
import type { Reading } from './call-reader.js';
import { typesOf } from './check-arguments.js';
import { parseJson } from './parse-json.js';

/** What names of tools are made of. */
export const nameCharacter = /[\w.:/-]/u;

/** `<function=name>{json}</function>`, or with a tag a parameter as Qwen3-Coder writes it. */
export const functionTag: CallOpening = {
  mark: '<function=',
  where: 'anywhere',
  read: readFunctionTag,
};

/** Reads what follows `<function=`. */
export function* readFunctionTag(context: CallContext): Reading<void> {
  const { reader } = context;
  const name = yield* reader.word(nameCharacter);
  yield* reader.expect('>');
  context.begin(name);
  yield* reader.skipSpace();
  if ((yield* reader.peek()) === '{') {
    const json = yield* reader.json((text) => {
      context.delta(text);
    });
    context.finish(parseJson(json));
  } else {
    context.finish(yield* readParameters(context, name));
  }
  yield* reader.skipSpace();
  yield* reader.literal('</function>');
}

/** Reads `<parameter=key>` blocks up to the end of the function, which stays unread. */
function* readParameters(
  { reader, tools }: CallContext,
  name: string,
): Reading<Readonly<Record<string, unknown>>> {
  const properties = tools.get(name)?.function.parameters?.['properties'];
  const given = new Map<string, unknown>();
  while (yield* reader.literal('<parameter=')) {
    const key = (yield* reader.until('>')).trim();
    const text = yield* reader.until('</parameter>');
    given.set(key, valueOf(text.replace(/^\n|\n$/gu, ''), typesOf(properties, key)));
    yield* reader.skipSpace();
  }
  const next = yield* reader.peek();
  if (next !== '<') yield* reader.expect('</function>');
  return Object.fromEntries(given);
}

/** Text is text where the schema says so; else what is JSON is taken as that. */
function valueOf(text: string, types: readonly string[]): unknown {
  if (types.includes('string')) return text;
  try {
    return JSON.parse(text);
  } catch {
    // So Python spells them.
    const words: Readonly<Record<string, unknown>> = { True: true, False: false, None: null };
    const word = text.trim();
    return Object.hasOwn(words, word) ? words[word] : text;
  }
}
