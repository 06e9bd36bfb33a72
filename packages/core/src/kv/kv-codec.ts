import { MobillmError } from '../errors/mobillm-error.js';
import { checkKvShape, checkKvSnapshot, kvLimits, unsound } from './check-kv-snapshot.js';
import { numberBytes } from './float-formats.js';
import type { KvDtype, KvLayer, KvSnapshot } from './kv-snapshot.js';

/**
 * The binary form, little-endian: `MKVS`, u32 version, u32 length of the header, the header as JSON
 * padded by spaces to a multiple of 8; then the tokens (i32), the logits (f32) and, layer by layer,
 * keys and values as they are. The header holds every count, so the whole length follows from it.
 */
const magic = 0x53_56_4b_4d;
const version = 1;
const fixedBytes = 12;
const maxHeaderBytes = 65_536;

/** What the header says; all other facts of a snapshot follow. */
interface Header extends Omit<KvSnapshot, 'version' | 'tokens' | 'layers' | 'nextLogits'> {
  readonly tokenCount: number;
  readonly layerCount: number;
  /** 0 where the logits are not known. */
  readonly logitCount: number;
}

/**
 * Writes a snapshot as bytes.
 *
 * @throws MobillmError `KV_MISMATCH` when it is not sound.
 */
export function encodeKvSnapshot(snapshot: KvSnapshot): Uint8Array {
  checkKvSnapshot(snapshot);
  const pieces = kvSnapshotPieces(snapshot);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/**
 * The same bytes in pieces, of which the tensors are the snapshot's own and not copied. Nothing looks at
 * each number, which would take its time: whoever imports them does.
 *
 * @throws MobillmError `KV_MISMATCH` when it has not the shape that it says.
 */
export function kvSnapshotPieces(snapshot: KvSnapshot): Uint8Array[] {
  checkKvShape(snapshot);
  const { lineage, startPosition, dtype, kvHeads, keyLength, valueLength, rope } = snapshot;
  const header = headerBytes({
    lineage: {
      sourceSha256: lineage.sourceSha256,
      architecture: lineage.architecture,
      vocabularySha256: lineage.vocabularySha256,
      ...(lineage.adapters?.length && {
        adapters: lineage.adapters.map(({ sha256, scale }) => ({ sha256, scale })),
      }),
    },
    startPosition,
    dtype,
    kvHeads,
    keyLength,
    valueLength,
    rope: {
      pairing: rope.pairing,
      base: rope.base,
      scale: rope.scale,
      rotatedLength: rope.rotatedLength,
    },
    tokenCount: snapshot.tokens.length,
    layerCount: snapshot.layers.length,
    logitCount: snapshot.nextLogits?.length ?? 0,
  });
  const numbers = snapshot.tokens.length + (snapshot.nextLogits?.length ?? 0);
  const bytes = new Uint8Array(fixedBytes + header.length + numbers * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, header.length, true);
  bytes.set(header, fixedBytes);
  let offset = fixedBytes + header.length;
  for (const token of snapshot.tokens) {
    view.setInt32(offset, token, true);
    offset += 4;
  }
  for (const logit of snapshot.nextLogits ?? []) {
    view.setFloat32(offset, logit, true);
    offset += 4;
  }
  return [bytes, ...snapshot.layers.flatMap(({ keys, values }) => [keys, values])];
}

/**
 * Reads a snapshot from bytes of any origin, in time and memory that their length bounds. Its tensors
 * are copies.
 *
 * @throws MobillmError `MODEL_INVALID` when the bytes are damaged or no snapshot at all; `KV_MISMATCH`
 * when they are of a version that this one cannot read.
 */
export function decodeKvSnapshot(bytes: Uint8Array): KvSnapshot {
  const snapshot = decode(bytes, (start, end) => bytes.slice(start, end));
  return asInvalid(() => checkKvSnapshot(snapshot));
}

/** The same, with tensors that lie in the bytes and numbers that nobody has looked at. */
export function viewKvSnapshot(bytes: Uint8Array): KvSnapshot {
  const snapshot = decode(bytes, (start, end) => bytes.subarray(start, end));
  return asInvalid(() => checkKvShape(snapshot));
}

function decode(bytes: Uint8Array, part: (start: number, end: number) => Uint8Array): KvSnapshot {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { header, bodyOffset } = readHeader(bytes, view);
  const { keyBytes, valueBytes, wanted } = lengthsOf(header, bodyOffset);
  if (wanted !== bytes.byteLength) {
    throw damaged(`it has ${bytes.byteLength} bytes, and its header speaks of ${wanted}`);
  }
  let offset = bodyOffset;
  const number = (read: (offset: number) => number): number => {
    offset += 4;
    return read(offset - 4);
  };
  const take = (length: number): Uint8Array => {
    offset += length;
    return part(offset - length, offset);
  };
  const tokens = Array.from({ length: header.tokenCount }, () =>
    number((at) => view.getInt32(at, true)),
  );
  const nextLogits = Float32Array.from({ length: header.logitCount }, () =>
    number((at) => view.getFloat32(at, true)),
  );
  const layers = Array.from({ length: header.layerCount }, (): KvLayer => ({
    keys: take(keyBytes),
    values: take(valueBytes),
  }));
  const { tokenCount: _tokens, layerCount: _layers, logitCount, ...facts } = header;
  return {
    version: 1,
    ...facts,
    tokens,
    layers,
    ...(logitCount > 0 && { nextLogits }),
  } satisfies KvSnapshot;
}

/** Bytes at the beginning of a snapshot that hold its header. */
export const kvSnapshotHeadBytes = fixedBytes + maxHeaderBytes;

/**
 * How long a snapshot is, by its first `kvSnapshotHeadBytes` or all that there are.
 *
 * @throws MobillmError as {@link decodeKvSnapshot} does.
 */
export function kvSnapshotBytes(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const { header, bodyOffset } = readHeader(head, view);
  return lengthsOf(header, bodyOffset).wanted;
}

function lengthsOf(header: Header, bodyOffset: number) {
  const rowBytes = header.kvHeads * header.tokenCount * numberBytes(header.dtype);
  const [keyBytes, valueBytes] = [rowBytes * header.keyLength, rowBytes * header.valueLength];
  const numbers = (header.tokenCount + header.logitCount) * 4;
  const wanted = bodyOffset + numbers + header.layerCount * (keyBytes + valueBytes);
  return { keyBytes, valueBytes, wanted };
}

function headerBytes(header: Header): Uint8Array {
  const text = JSON.stringify(header);
  const plain = new TextEncoder().encode(text);
  // The tensors then begin at a multiple of 4, and so does every number in them.
  const padding = (8 - ((fixedBytes + plain.length) % 8)) % 8;
  return new TextEncoder().encode(text + ' '.repeat(padding));
}

function readHeader(
  bytes: Uint8Array,
  view: DataView,
): { readonly header: Header; readonly bodyOffset: number } {
  if (bytes.byteLength < fixedBytes || view.getUint32(0, true) !== magic) {
    throw damaged('it does not begin as one');
  }
  const found = view.getUint32(4, true);
  if (found !== version) {
    throw unsound('version', `is ${found}, and this version of core reads ${version} alone`);
  }
  const length = view.getUint32(8, true);
  const bodyOffset = fixedBytes + length;
  if (length > maxHeaderBytes || bodyOffset > bytes.byteLength) {
    throw damaged(`its header would have ${length} bytes`);
  }
  let parsed: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true });
    parsed = JSON.parse(text.decode(bytes.subarray(fixedBytes, bodyOffset)));
  } catch (error) {
    throw damaged('its header is no JSON', error);
  }
  return { header: checkHeader(parsed), bodyOffset };
}

/** Checks what is needed to find the parts; `checkKvSnapshot` then checks the whole. */
function checkHeader(parsed: unknown): Header {
  if (typeof parsed !== 'object' || parsed === null) throw damaged('its header is no object');
  const header = parsed as { readonly [K in keyof Header]?: unknown };
  const count = (key: keyof Header, min: number, max: number): number => {
    const value = header[key];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw damaged(`its "${key}" is no integer from ${min} to ${max}`);
  };
  const { dtype } = header;
  if (dtype !== 'f16' && dtype !== 'bf16' && dtype !== 'f32') {
    throw damaged('its "dtype" is none that is known');
  }
  return {
    lineage: header.lineage as Header['lineage'],
    rope: header.rope as Header['rope'],
    startPosition: count('startPosition', 0, kvLimits.tokens),
    dtype: dtype satisfies KvDtype,
    kvHeads: count('kvHeads', 1, kvLimits.kvHeads),
    keyLength: count('keyLength', 1, kvLimits.headLength),
    valueLength: count('valueLength', 1, kvLimits.headLength),
    tokenCount: count('tokenCount', 0, kvLimits.tokens),
    layerCount: count('layerCount', 1, kvLimits.layers),
    logitCount: count('logitCount', 0, kvLimits.vocabularySize),
  };
}

/** What cannot be in memory is damage when it was read from bytes. */
function asInvalid(check: () => KvSnapshot): KvSnapshot {
  try {
    return check();
  } catch (error) {
    if (!MobillmError.is(error, 'KV_MISMATCH')) throw error;
    throw new MobillmError('MODEL_INVALID', error.message, { details: error.details });
  }
}

function damaged(what: string, cause?: unknown): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `This is no KV snapshot, or a damaged one: ${what}. Export the cache again.`,
    { cause },
  );
}
