import { abortSignal, optionsObject } from '../errors/check-options.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from '../platform/platform.js';
import { checkLlamaMetadata } from './check-llama-metadata.js';
import { damagedGguf } from './gguf-errors.js';
import type { GgufLayout, GgufMetadataEntry } from './gguf-layout.js';
import { HeaderReader } from './header-reader.js';
import { readMetadataEntry } from './read-metadata.js';
import { placeTensors, readTensor, type UnplacedTensor } from './read-tensors.js';
import { recognizeContent } from './recognize-content.js';
import { VocabularyCheck } from './vocabulary-check.js';

const magic = 0x46554747;
const headerBytes = 24;
/** A metadata entry has at least a key of one byte, its length, a type and a value of one byte. */
const minEntryBytes = 14;
/** A tensor has at least a name of one byte, its length, a dimension count, a type and an offset. */
const minTensorBytes = 25;
/** Readers compare every name with all before it, so the counts bound quadratic work. */
const maxEntries = 16_384;
const maxTensors = 65_536;

/** Checks {@link ValidateGgufOptions}. */
export const checkValidateOptions = optionsObject({ signal: abortSignal });

/** Options of {@link validateGguf}. */
export interface ValidateGgufOptions {
  /** Stops reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Reads a GGUF header and checks every count, length, type and offset against the file, and what
 * the header says of the model against what llama.cpp takes for granted: a library that meets a
 * broken header ends the process by an assertion, so no library is given a file that has not passed.
 *
 * Nothing is allocated by what the file claims, only by what it has; the source is read in pieces of
 * at most 128 KiB (strings that are kept: 1 MiB), and the thread is given back between them. Tensor
 * data is not read.
 *
 * @throws MobillmError `MODEL_INVALID`; `details.what` says what is wrong, and `details.offset` (a byte)
 * or `details.key` (a metadata key or a tensor) where. `MODEL_UNSUPPORTED` for a sound file that
 * llama.cpp cannot map, with `details.key`.
 * @throws InvalidArgument for an unknown option.
 */
export async function validateGguf(
  source: ByteSource,
  options?: ValidateGgufOptions,
): Promise<GgufLayout> {
  const { signal } = checkValidateOptions(options, 'options');
  const layout = await readGgufLayout(source, signal);
  checkLlamaMetadata(layout);
  return layout;
}

/** Reads a header and checks it against its file, as {@link validateGguf} does; not what it says of a model. */
export async function readGgufLayout(
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<GgufLayout> {
  const reader = new HeaderReader(source, signal);
  const { version, entryCount, tensorCount } = await readPreamble(reader, source);

  const metadata = new Map<string, GgufMetadataEntry>();
  const vocabulary = new VocabularyCheck();
  for (let i = 0; i < entryCount; i++) {
    const entry = await readMetadataEntry(reader, (key, count) => vocabulary.visitorOf(key, count));
    if (metadata.has(entry.key)) {
      throw damagedGguf(`the metadata key "${entry.key}" stands twice`, entry.entryOffset);
    }
    metadata.set(entry.key, entry);
  }
  const alignment = readAlignment(metadata);

  const tensorInfoOffset = reader.position;
  const names = new Set<string>();
  const unplaced: UnplacedTensor[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const offset = reader.position;
    const tensor = await readTensor(reader);
    if (names.has(tensor.name)) {
      throw damagedGguf(`two tensors have the name "${tensor.name}"`, offset);
    }
    names.add(tensor.name);
    unplaced.push(tensor);
  }
  const headerEndOffset = reader.position;
  const dataOffset = Math.ceil(headerEndOffset / alignment) * alignment;
  const layout: GgufLayout = {
    version,
    alignment,
    byteLength: source.byteLength,
    metadata,
    tensorInfoOffset,
    headerEndOffset,
    dataOffset,
    tensors: placeTensors(unplaced, dataOffset, alignment, source.byteLength),
  };
  await vocabulary.finish(source, metadata);
  return layout;
}

async function readPreamble(
  reader: HeaderReader,
  source: ByteSource,
): Promise<{ version: 2 | 3; entryCount: number; tensorCount: number }> {
  if (source.byteLength === 0) {
    throw new MobillmError(
      'MODEL_INVALID',
      'The model file is empty (0 bytes). Its download or copy never started; fetch it again.',
      { details: { what: 'empty', offset: 0 } },
    );
  }
  await reader.fill(Math.min(headerBytes, source.byteLength));
  if (!reader.has(4) || reader.uint32() !== magic) {
    reader.position = 0;
    throw notGguf(reader.bytes(Math.min(64, reader.buffered)));
  }
  if (!reader.has(headerBytes - 4)) await reader.fill(headerBytes - 4);
  const version = reader.uint32();
  if (version !== 2 && version !== 3) throw wrongVersion(version);
  const tensorCount = reader.size('the number of tensors');
  const entryCount = reader.size('the number of metadata entries');
  if (entryCount > maxEntries) {
    throw damagedGguf(`it claims ${entryCount} metadata entries`, 16);
  }
  if (tensorCount > maxTensors) throw damagedGguf(`it claims ${tensorCount} tensors`, 8);
  reader.expect(entryCount * minEntryBytes + tensorCount * minTensorBytes);
  return { version, entryCount, tensorCount };
}

function notGguf(head: Uint8Array): MobillmError {
  const found = recognizeContent(head);
  const firstBytes = [...head.subarray(0, 4)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(' ');
  return new MobillmError(
    'MODEL_INVALID',
    `This is not a GGUF file: ${found ?? `it begins with the bytes ${firstBytes} instead of "GGUF"; check that it is the file you meant`}.`,
    { details: { what: 'magic', offset: 0, firstBytes } },
  );
}

function wrongVersion(version: number): MobillmError {
  const bigEndian = (version & 0xffff) === 0 && version !== 0;
  const sentence = bigEndian
    ? 'This GGUF file is big-endian, made for another kind of processor. Use the little-endian conversion of the model.'
    : `This GGUF file has version ${version}; versions 2 and 3 can be read. Convert the model again with current tools.`;
  return new MobillmError('MODEL_INVALID', sentence, {
    details: { what: 'version', offset: 4, version },
  });
}

function readAlignment(metadata: ReadonlyMap<string, GgufMetadataEntry>): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return 32;
  const { value } = entry;
  if (entry.type !== 'uint32' || typeof value !== 'number' || Math.log2(value) % 1 !== 0) {
    throw damagedGguf(
      `its alignment is ${String(value)} and not a power of two of type uint32`,
      entry.valueOffset,
    );
  }
  return value;
}
