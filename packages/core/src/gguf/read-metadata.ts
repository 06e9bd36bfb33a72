import type { GgufMetadataEntry, GgufScalar, GgufValueType } from './gguf-layout.js';
import { damagedGguf } from './gguf-errors.js';
import type { HeaderReader } from './header-reader.js';

type ElementType = Exclude<GgufValueType, 'array'>;

const valueTypes: readonly GgufValueType[] = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
];

const widths: Readonly<Record<Exclude<ElementType, 'string'>, number>> = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/** Bounds of the format (the specification's for keys, llama.cpp's for strings and arrays). */
const maxKeyBytes = 65_535;
const maxStringBytes = 2 ** 30;
const maxArrayElements = 2 ** 30;
/** Longer values are left in the file: nothing that is decided from a header is that long. */
const maxKeptStringBytes = 2 ** 20;
const maxKeptElements = 1024;

/**
 * Sees every element of a string array as it passes: its index, the `length` bytes from `start` in
 * `buffer` (valid during the call), and where they lie in the file. No view of its own is made for
 * each string, since that would take longer than all else.
 */
export type StringVisitor = (
  index: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  offset: number,
) => void;

/** Reads a string of printable ASCII, as names and keys have to be. */
export async function readName(
  reader: HeaderReader,
  what: string,
  maxBytes: number,
): Promise<string> {
  const offset = reader.position;
  if (!reader.has(8)) await reader.fill(8);
  const length = reader.size(`the length of ${what}`);
  if (length === 0) throw damagedGguf(`${what} is empty`, offset);
  if (length > maxBytes) {
    throw damagedGguf(`${what} has ${length} bytes, and at most ${maxBytes} are allowed`, offset);
  }
  if (!reader.has(length)) await reader.fill(length);
  const bytes = reader.bytes(length);
  let name = '';
  for (const byte of bytes) {
    if (byte < 0x20 || byte > 0x7e) {
      throw damagedGguf(`${what} holds the byte ${byte}, which is not printable ASCII`, offset);
    }
    name += String.fromCharCode(byte);
  }
  return name;
}

/** Reads one key with its value. `visitorOf` chooses who sees the strings of a string array. */
export async function readMetadataEntry(
  reader: HeaderReader,
  visitorOf: (key: string, elementCount: number) => StringVisitor | undefined,
): Promise<GgufMetadataEntry> {
  const entryOffset = reader.position;
  const key = await readName(reader, 'a metadata key', maxKeyBytes);
  if (!reader.has(16)) await reader.fill(Math.min(16, Math.max(4, reader.remaining)));
  const type = readType(reader, key);
  const valueOffset = reader.position;
  const common = { key, entryOffset, valueOffset };
  if (type !== 'array') {
    const value = await readScalar(reader, key, type);
    return {
      ...common,
      type,
      ...(value === undefined ? {} : { value }),
      endOffset: reader.position,
    };
  }
  if (!reader.has(12)) await reader.fill(12);
  const elementType = readType(reader, key);
  if (elementType === 'array') {
    throw damagedGguf(`"${key}" is an array of arrays, which no model uses`, valueOffset);
  }
  const elementCount = reader.size(`the length of "${key}"`);
  const width = elementType === 'string' ? 8 : widths[elementType];
  if (elementCount > maxArrayElements) {
    throw damagedGguf(`"${key}" claims ${elementCount} elements`, valueOffset);
  }
  // Said by the bytes that are there, before anything grows with the claim.
  reader.expect(elementCount * width);
  let elements: (number | bigint | boolean)[] | undefined;
  if (elementType === 'string') {
    await readStrings(reader, key, elementCount, visitorOf(key, elementCount));
  } else if (elementCount <= maxKeptElements) {
    elements = [];
    if (!reader.has(elementCount * width)) await reader.fill(elementCount * width);
    for (let i = 0; i < elementCount; i++) {
      elements.push(readFixed(reader, elementType) as number | bigint | boolean);
    }
  } else {
    reader.skip(elementCount * width);
  }
  return {
    ...common,
    type,
    elementType,
    elementCount,
    ...(elements === undefined ? {} : { elements }),
    endOffset: reader.position,
  };
}

function readType(reader: HeaderReader, key: string): GgufValueType {
  const offset = reader.position;
  reader.expect(4);
  const number = reader.uint32();
  const type = valueTypes[number];
  if (type === undefined) {
    throw damagedGguf(`"${key}" has the type ${number}, which does not exist`, offset);
  }
  return type;
}

async function readScalar(
  reader: HeaderReader,
  key: string,
  type: ElementType,
): Promise<GgufScalar | undefined> {
  if (type !== 'string') {
    if (!reader.has(widths[type])) await reader.fill(widths[type]);
    return readFixed(reader, type);
  }
  if (!reader.has(8)) await reader.fill(8);
  const length = readStringLength(reader, key);
  reader.expect(length);
  if (length > maxKeptStringBytes) {
    reader.skip(length);
    return undefined;
  }
  if (!reader.has(length)) await reader.fill(length);
  return new TextDecoder().decode(reader.bytes(length));
}

function readStringLength(reader: HeaderReader, key: string): number {
  const offset = reader.position;
  const length = reader.size(`a string length in "${key}"`);
  if (length > maxStringBytes) {
    throw damagedGguf(`a string in "${key}" claims ${length} bytes`, offset);
  }
  return length;
}

async function readStrings(
  reader: HeaderReader,
  key: string,
  count: number,
  visit: StringVisitor | undefined,
): Promise<void> {
  for (let i = 0; (i = passStrings(reader, i, count, visit)) < count; i++) {
    if (!reader.has(8)) await reader.fill(8);
    const length = readStringLength(reader, key);
    const offset = reader.position;
    if (visit === undefined) {
      reader.skip(length);
    } else {
      if (!reader.has(length)) {
        reader.expect(length);
        if (length > maxKeptStringBytes) {
          throw damagedGguf(`an element of "${key}" has ${length} bytes`, offset);
        }
        await reader.fill(length);
      }
      visit(i, reader.window, reader.windowPosition, length, offset);
      reader.position += length;
    }
  }
}

/**
 * Passes the strings that lie whole in the window, from the one of index `from` on, and returns the
 * index of the first that does not, or whose length is not possible. A loop over local variables and
 * without `await`: it decides how long a header takes to read.
 */
function passStrings(
  reader: HeaderReader,
  from: number,
  count: number,
  visit: StringVisitor | undefined,
): number {
  const { window, view, windowPosition, position } = reader;
  const windowStart = position - windowPosition;
  const lastStart = window.byteLength - 8;
  let at = windowPosition;
  let index = from;
  while (index < count && at <= lastStart) {
    const length = view.getUint32(at, true);
    const end = at + 8 + length;
    if (view.getUint32(at + 4, true) !== 0 || end > window.byteLength) break;
    if (visit !== undefined) visit(index, window, at + 8, length, windowStart + at + 8);
    at = end;
    index++;
  }
  reader.position = windowStart + at;
  return index;
}

function readFixed(reader: HeaderReader, type: Exclude<ElementType, 'string'>): GgufScalar {
  return type === 'bool' ? reader.uint8() !== 0 : reader[type]();
}
