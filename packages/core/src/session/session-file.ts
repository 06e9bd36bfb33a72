import { platform } from '#platform';
import type { KnownBeginning } from '../chat/conversation-encoder.js';
import { checkMessage } from '../chat/check-messages.js';
import type { Message } from '../chat/message.js';
import { arrayOf, type Check, integer, optionsObject, string } from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import {
  kvSnapshotBytes,
  kvSnapshotHeadBytes,
  kvSnapshotPieces,
  viewKvSnapshot,
} from '../kv/kv-codec.js';
import type { KvSnapshot } from '../kv/kv-snapshot.js';
import { probeHardware } from '../hardware/probe-hardware.js';
import { formatBytes } from '../planner/format-bytes.js';
import { memoryBudget } from '../planner/memory-budget.js';
import type { ByteSource } from '../platform/platform.js';
import { readExactly } from '../platform/read-exactly.js';
import { failedFile } from '../platform/unreadable.js';

/**
 * A session in a file, little-endian: `MSES`, u32 version, u32 length of the header, sha256 of the
 * header, the header as JSON; then a KV snapshot as `kv-codec.ts` writes it and its sha256, or nothing.
 * What was said and what was computed are checked apart: without the one there is no session, the other
 * can be computed again.
 */
const magic = 0x53_45_53_4d;
const version = 1;
const hashBytes = 32;
const fixedBytes = 12 + hashBytes;
/** A million words and their tokens take less. */
const maxHeaderBytes = 64 * 2 ** 20;
/** Bytes hashed and written at once: what takes less than a millisecond. */
const pieceBytes = 2 ** 20;

/** Checks the path of a file. */
export const checkFilePath: Check<string> = (value, key) => {
  const path = string({ nonEmpty: true })(value, key);
  if (path.includes('\0')) throw wrongValue(key, 'holds a zero byte, which no path can');
  return path;
};

/** A cache for which nobody asks the system how much memory there is: that takes milliseconds. */
const smallCacheBytes = 16 * 2 ** 20;

/** What a file holds of a session. */
export interface SavedSession {
  /** What was said. */
  readonly messages: readonly Message[];
  /** Text and tokens that the cache stands for, and how the vocabulary spells those. */
  readonly known: (KnownBeginning & { readonly pieces: string }) | undefined;
  /** Which messages are in the prompt: see `SessionOptions.keepMessages`. */
  readonly window: {
    /** Messages at the beginning that always are; absent where none may be dropped. */
    readonly keepMessages?: number | undefined;
    /** Messages after those that are not. */
    readonly dropped: number;
  };
  /** The cache, or why there is none to be had. */
  readonly cache: SavedCache | MobillmError | undefined;
}

/** A cache out of a file. */
export interface SavedCache {
  readonly snapshot: KvSnapshot;
  /** Of all its bytes: caches with the same one are the same, whichever files they come from. */
  readonly sha256: string;
}

/** What reading and writing can be told. */
export interface SessionFileOptions {
  /** Stops it. */
  readonly signal?: AbortSignal | undefined;
  /** Told the share that is done, from 0 to 1, never falling. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/**
 * Writes a session to a file, atomically.
 *
 * @returns its length in bytes.
 * @throws MobillmError `IO_FAILED`, `FILE_NOT_FOUND` for a folder that is not there, `UNSUPPORTED` where
 * the platform has no files.
 */
export async function writeSessionFile(
  path: string,
  { cache, ...said }: Omit<SavedSession, 'cache'> & { readonly cache?: KvSnapshot },
  { signal, onProgress }: SessionFileOptions = {},
): Promise<number> {
  const header = new TextEncoder().encode(
    JSON.stringify({
      ...said,
      ...(said.known && { known: { ...said.known, tokens: [...said.known.tokens] } }),
    }),
  );
  const start = new Uint8Array(fixedBytes);
  const view = new DataView(start.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, header.length, true);
  start.set(sha256(header), 12);
  const body = cache === undefined ? [] : kvSnapshotPieces(cache);
  const bodyBytes = body.reduce((sum, piece) => sum + piece.length, 0);
  const total = fixedBytes + header.length + (bodyBytes > 0 ? bodyBytes + hashBytes : 0);
  async function* pieces(): AsyncGenerator<Uint8Array, void, void> {
    let done = 0;
    const hash = platform.createSha256();
    for (const [index, part] of [start, header, ...body].entries()) {
      for (let offset = 0; offset < part.length; offset += pieceBytes) {
        signal?.throwIfAborted();
        const piece = part.subarray(offset, offset + pieceBytes);
        if (index >= 2) hash.update(piece);
        yield piece;
        done += piece.length;
        onProgress?.(done / total);
      }
    }
    if (bodyBytes > 0) yield fromHex(hash.digest());
    onProgress?.(1);
  }
  try {
    await platform.writeFileAtomically(path, pieces());
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw failedFile(error, 'written', path);
  }
  return total;
}

/**
 * Reads a session from a file of any origin.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`; `INTEGRITY_FAILED` when it is no saved session or
 * what was said is damaged; `KV_MISMATCH` when it is of a version that this one cannot read.
 */
export async function readSessionFile(
  path: string,
  { signal, onProgress }: SessionFileOptions = {},
): Promise<SavedSession> {
  let source: ByteSource | undefined;
  try {
    source = await platform.openFile(path);
    const start = await readExactly(source, {
      path,
      signal,
      offset: 0,
      length: Math.min(fixedBytes, source.byteLength),
    });
    const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
    if (start.length < fixedBytes || view.getUint32(0, true) !== magic) {
      throw damaged(path, 'it does not begin as one');
    }
    const found = view.getUint32(4, true);
    if (found !== version) {
      throw new MobillmError(
        'KV_MISMATCH',
        `The saved session "${path}" is of version ${found}, and this version of core reads ${version} alone. Save it again.`,
        { details: { path, version: found } },
      );
    }
    const headerBytes = view.getUint32(8, true);
    const bodyOffset = fixedBytes + headerBytes;
    if (headerBytes > maxHeaderBytes || bodyOffset > source.byteLength) {
      throw damaged(path, `its header would have ${headerBytes} bytes`);
    }
    const header = await readExactly(source, {
      path,
      signal,
      offset: fixedBytes,
      length: headerBytes,
    });
    if (!sameBytes(sha256(header), start.subarray(12))) {
      throw damaged(path, 'its header does not have the sha256 that was recorded for it');
    }
    const said = readHeader(path, header);
    const cache = await readCache(source, bodyOffset, { path, signal, onProgress });
    onProgress?.(1);
    return { ...said, cache };
  } catch (error) {
    throw failedFile(error, 'read', path);
  } finally {
    await source?.close();
  }
}

function readHeader(path: string, bytes: Uint8Array): Omit<SavedSession, 'cache'> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const { messages, known, window } = JSON.parse(text) as Partial<Record<string, unknown>>;
    return {
      messages: arrayOf(checkMessage)(messages, 'messages'),
      known: readKnown(known),
      window: { dropped: 0, ...checkWindow(window ?? {}, 'window') },
    };
  } catch (error) {
    throw damaged(path, 'its header does not say what was said', error);
  }
}

const checkWindow = optionsObject({
  keepMessages: integer({ min: 0 }),
  dropped: integer({ min: 0 }),
});

const checkKnown = optionsObject({
  text: string({ nonEmpty: true }),
  tokens: arrayOf(integer({ min: 0 })),
  pieces: string(),
});

function readKnown(value: unknown): SavedSession['known'] {
  if (value === undefined) return undefined;
  const { text, tokens, pieces } = checkKnown(value, 'known');
  if (text === undefined || tokens === undefined || pieces === undefined) {
    throw new Error('its "known" is no text with tokens');
  }
  return { text, tokens, pieces };
}

async function readCache(
  source: ByteSource,
  offset: number,
  options: SessionFileOptions & { readonly path: string },
): Promise<SavedSession['cache']> {
  const { path, signal, onProgress } = options;
  const part = { path, signal };
  const left = source.byteLength - offset;
  if (left === 0) return undefined;
  if (left < hashBytes) return damaged(path, 'its cache ends early');
  const hash = platform.createSha256();
  let bytes: Uint8Array;
  try {
    const head = Math.min(left - hashBytes, kvSnapshotHeadBytes);
    const stated = kvSnapshotBytes(await readExactly(source, { ...part, offset, length: head }));
    // Before any of it is taken into memory.
    if (stated !== left - hashBytes) return damaged(path, `its cache would have ${stated} bytes`);
    if (stated > smallCacheBytes) {
      const { budgetBytes = Infinity } = memoryBudget(await probeHardware());
      if (stated > budgetBytes) return tooLarge(path, stated, budgetBytes);
    }
    bytes = await readExactly(source, {
      ...part,
      offset,
      length: stated,
      onPiece: (piece, done) => {
        hash.update(piece);
        onProgress?.(done / left);
      },
    });
  } catch (error) {
    if (MobillmError.is(error, 'MODEL_INVALID')) return damaged(path, 'its cache is none', error);
    if (MobillmError.is(error, 'KV_MISMATCH')) return error;
    if (error instanceof RangeError) return damaged(path, 'its cache is too large', error);
    throw error;
  }
  const recorded = await readExactly(source, {
    ...part,
    offset: source.byteLength - hashBytes,
    length: hashBytes,
  });
  const digest = hash.digest();
  if (!sameBytes(fromHex(digest), recorded)) {
    return damaged(path, 'its cache does not have the sha256 that was recorded for it');
  }
  try {
    return { snapshot: viewKvSnapshot(bytes), sha256: digest };
  } catch (error) {
    if (MobillmError.is(error, 'KV_MISMATCH')) return error;
    return damaged(path, 'its cache is none', error);
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  const hash = platform.createSha256();
  hash.update(bytes);
  return fromHex(hash.digest());
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function tooLarge(path: string, neededBytes: number, availableBytes: number): MobillmError {
  return new MobillmError(
    'OUT_OF_MEMORY',
    `The cache in the saved session "${path}" takes ${formatBytes(neededBytes)} of memory, and ${formatBytes(availableBytes)} are available. Free memory and restore it again, or have the conversation computed.`,
    { retryable: true, details: { path, neededBytes, availableBytes } },
  );
}

function damaged(path: string, what: string, cause?: unknown): MobillmError {
  return new MobillmError(
    'INTEGRITY_FAILED',
    `"${path}" is no saved session, or a damaged one: ${what}. Save the session again.`,
    { details: { path }, cause },
  );
}
