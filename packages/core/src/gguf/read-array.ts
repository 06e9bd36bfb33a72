import type { ByteSource } from '../platform/platform.js';
import { impossibleMetadata } from './gguf-errors.js';
import type { GgufMetadataEntry } from './gguf-layout.js';
import { HeaderReader } from './header-reader.js';
import { readMetadataEntry } from './read-metadata.js';

/** Elements read at once: 128 KiB. */
const chunkElements = 32_768;

/**
 * Reads the strings of an array again from the file, in pieces of 128 KiB. Bytes that are not UTF-8
 * become U+FFFD; a byte-order mark stays.
 *
 * @throws MobillmError `MODEL_INVALID` when the entry is no array of strings, has more than
 * `maxElements`, or is no longer what the header was when it was checked.
 */
export async function readStringArray(
  source: ByteSource,
  entry: GgufMetadataEntry,
  maxElements: number,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const count = requireArray(entry, ['string'], maxElements);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const strings: string[] = [];
  const reader = new HeaderReader(source, signal);
  reader.position = entry.entryOffset;
  const again = await readMetadataEntry(reader, () => (_index, buffer, start, length) => {
    strings.push(decoder.decode(buffer.subarray(start, start + length)));
  });
  if (again.key !== entry.key || strings.length !== count) {
    throw impossibleMetadata(entry.key, 'changed while it was read');
  }
  return strings;
}

/**
 * Reads an array of 32-bit numbers again from the file, in pieces of 128 KiB.
 *
 * @throws MobillmError `MODEL_INVALID` when the entry is no array of `int32`, `uint32` or `float32`,
 * or has more than `maxElements`.
 */
export async function readNumberArray(
  source: ByteSource,
  entry: GgufMetadataEntry,
  maxElements: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const count = requireArray(entry, ['int32', 'uint32', 'float32'], maxElements);
  const type = entry.elementType as 'int32' | 'uint32' | 'float32';
  const numbers = new Float64Array(count);
  const reader = new HeaderReader(source, signal);
  reader.position = entry.endOffset - count * 4;
  for (let i = 0; i < count; i++) {
    if (i % chunkElements === 0) await reader.fill(Math.min(chunkElements, count - i) * 4);
    numbers[i] = reader[type]();
  }
  return numbers;
}

function requireArray(
  entry: GgufMetadataEntry,
  types: readonly string[],
  maxElements: number,
): number {
  const { key, elementType, elementCount } = entry;
  if (elementType === undefined || elementCount === undefined || !types.includes(elementType)) {
    throw impossibleMetadata(key, `is no array of ${types.join(', ')}`);
  }
  if (elementCount > maxElements) {
    throw impossibleMetadata(
      key,
      `has ${elementCount} elements, and at most ${maxElements} can be used`,
    );
  }
  return elementCount;
}
