import { BrokenCall, type CallReader, incomplete, type Reading } from './call-reader.js';
import { maxJsonDepth } from './check-tools.js';

const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['True', true],
  ['true', true],
  ['False', false],
  ['false', false],
  ['None', null],
  ['null', null],
]);

/** Reads a literal of Python: string, number, `True`, `None`, list, tuple or dictionary. */
export function* readPythonValue(reader: CallReader, depth = 0): Reading<unknown> {
  if (depth > maxJsonDepth) {
    throw new BrokenCall('malformed', `it is nested deeper than ${maxJsonDepth} levels`);
  }
  const first = yield* reader.peek();
  if (first === '"' || first === "'") return yield* readString(reader, first);
  if (yield* reader.literal('[')) return yield* readList(reader, ']', depth);
  if (yield* reader.literal('(')) return yield* readList(reader, ')', depth);
  if (yield* reader.literal('{')) return yield* readDictionary(reader, depth);
  const word = yield* reader.word(/[\w.+-]/u);
  if (words.has(word)) return words.get(word);
  const value = Number(word);
  if (word === '' || !Number.isFinite(value)) {
    if (word === '' && (yield* reader.peek()) === '') throw incomplete();
    throw new BrokenCall('malformed', `"${word || first}" is no value`);
  }
  return value;
}

function* readList(reader: CallReader, end: string, depth: number): Reading<unknown[]> {
  const items: unknown[] = [];
  for (;;) {
    yield* reader.skipSpace();
    if (yield* reader.literal(end)) return items;
    items.push(yield* readPythonValue(reader, depth + 1));
    yield* reader.skipSpace();
    if (yield* reader.literal(end)) return items;
    yield* reader.expect(',');
  }
}

function* readDictionary(reader: CallReader, depth: number): Reading<unknown> {
  const members = new Map<string, unknown>();
  for (;;) {
    yield* reader.skipSpace();
    if (yield* reader.literal('}')) return Object.fromEntries(members);
    const key = yield* readPythonValue(reader, depth + 1);
    yield* reader.skipSpace();
    yield* reader.expect(':');
    yield* reader.skipSpace();
    members.set(
      typeof key === 'string' ? key : JSON.stringify(key),
      yield* readPythonValue(reader, depth + 1),
    );
    yield* reader.skipSpace();
    if (yield* reader.literal('}')) return Object.fromEntries(members);
    yield* reader.expect(',');
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '0': '\0',
  '\n': '',
};

function* readString(reader: CallReader, quote: string): Reading<string> {
  const end = (yield* reader.literal(quote.repeat(3))) ? quote.repeat(3) : quote;
  if (end === quote) yield* reader.literal(quote);
  const parts: string[] = [];
  while (!(yield* reader.literal(end))) {
    const character = yield* reader.peek();
    if (character === '') throw incomplete();
    reader.skip(1);
    if (character !== '\\') {
      parts.push(character);
      continue;
    }
    const escaped = yield* reader.peek();
    reader.skip(escaped.length);
    const digits = { x: 2, u: 4, U: 8 }[escaped];
    parts.push(
      digits === undefined
        ? (escapes[escaped] ?? (escaped === quote || escaped === '\\' ? escaped : `\\${escaped}`))
        : yield* readCodePoint(reader, digits),
    );
  }
  return parts.join('');
}

function* readCodePoint(reader: CallReader, digits: number): Reading<string> {
  let hex = '';
  while (hex.length < digits && /[\da-f]/iu.test(yield* reader.peek())) {
    hex += yield* reader.peek();
    reader.skip(1);
  }
  const code = Number.parseInt(hex, 16);
  if (hex.length < digits || code > 0x10_ff_ff) {
    throw new BrokenCall('malformed', 'a string in it holds an escape that is none');
  }
  return String.fromCodePoint(code);
}
