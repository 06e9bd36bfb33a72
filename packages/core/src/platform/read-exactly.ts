import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from './platform.js';

/** Bytes read at once: what takes less than a millisecond to work through. */
const pieceBytes = 2 ** 20;

/** What {@link readExactly} is to read of a file. */
export interface ReadExactlyOptions {
  /** Of the file, for errors. */
  readonly path: string;
  /** Where to begin, in bytes. */
  readonly offset: number;
  /** How many bytes. */
  readonly length: number;
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told each piece, and how many bytes there are by then. */
  readonly onPiece?: (piece: Uint8Array, done: number) => void;
}

/**
 * Reads a part of a file whole, a piece at a time.
 *
 * @throws MobillmError `IO_FAILED` when the file ends before it should.
 */
export async function readExactly(
  source: ByteSource,
  { path, offset, length, signal, onPiece }: ReadExactlyOptions,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    signal?.throwIfAborted();
    const piece = await source.read(offset + filled, Math.min(pieceBytes, length - filled));
    if (piece.byteLength === 0) throw shrank(path, offset + filled, source.byteLength);
    bytes.set(piece, filled);
    filled += piece.byteLength;
    onPiece?.(piece, filled);
  }
  signal?.throwIfAborted();
  return bytes;
}

/** The error for a file that ended before the size it had when it was opened. */
export function shrank(path: string, actualBytes: number, expectedBytes: number): MobillmError {
  return new MobillmError(
    'IO_FAILED',
    `"${path}" had ${expectedBytes} bytes when it was opened and ended after ${actualBytes}. Something else is writing it; wait for it to end and try again.`,
    { details: { path, actualBytes, expectedBytes }, retryable: true },
  );
}
