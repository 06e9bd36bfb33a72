import type { ByteSource } from '../platform/platform.js';
import { damagedGguf, truncatedGguf } from './gguf-errors.js';

/** Bytes asked for at once: small enough that working through them never holds a thread for long. */
const chunkBytes = 128 * 1024;

/**
 * Largest header that is read, in bytes. The largest known are near 30 MB; the bound keeps a hostile
 * file from making a library hold gigabytes of vocabulary.
 */
const maxHeaderBytes = 256 * 2 ** 20;

/**
 * Reads little-endian values in order from a window that moves over a source. The typed getters
 * need `has()` or `fill()` first: a caller awaits only when the window has run out, since awaiting
 * each of a hundred thousand strings would take longer than reading them.
 */
export class HeaderReader {
  /** Byte of the source that is read next. */
  position = 0;
  /** The bytes at hand; replaced by `fill`. */
  window: Uint8Array = new Uint8Array(0);
  /** A view of `window`. */
  view: DataView = new DataView(new ArrayBuffer(0));
  private windowStart = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Bytes of the source that are left from here. */
  get remaining(): number {
    return this.source.byteLength - this.position;
  }

  /** Bytes that can be read from here without waiting. */
  get buffered(): number {
    return this.windowStart + this.window.byteLength - this.position;
  }

  /** Where in `window` the next byte is. */
  get windowPosition(): number {
    return this.position - this.windowStart;
  }

  /** Whether `length` bytes can be read without waiting. */
  has(length: number): boolean {
    return this.buffered >= length;
  }

  /**
   * Moves the window here, so that at least `length` bytes (at most 128 KiB) can be read.
   *
   * @throws MobillmError `MODEL_INVALID` when the source ends before.
   */
  async fill(length: number): Promise<void> {
    this.signal?.throwIfAborted();
    this.expect(length);
    if (this.position + length > maxHeaderBytes) {
      throw damagedGguf(`its header is longer than ${maxHeaderBytes} bytes`, this.position);
    }
    const wanted = Math.min(Math.max(length, chunkBytes), this.remaining);
    const window = await this.source.read(this.position, wanted);
    this.signal?.throwIfAborted();
    this.window = window;
    this.view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    this.windowStart = this.position;
    // The file has shrunk since it was opened.
    if (!this.has(length))
      throw truncatedGguf(this.position + length, this.position + this.buffered);
  }

  /** Throws unless the source still has that many bytes. */
  expect(length: number): void {
    if (length > this.remaining) {
      throw truncatedGguf(this.position + length, this.source.byteLength);
    }
  }

  /** Moves on without looking at the bytes; they have to be there. */
  skip(length: number): void {
    this.expect(length);
    this.position += length;
  }

  /** The next bytes, which stay valid until the window moves. */
  bytes(length: number): Uint8Array {
    const start = this.windowPosition;
    this.position += length;
    return this.window.subarray(start, start + length);
  }

  uint8(): number {
    return this.view.getUint8(this.advance(1));
  }

  int8(): number {
    return this.view.getInt8(this.advance(1));
  }

  uint16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  int16(): number {
    return this.view.getInt16(this.advance(2), true);
  }

  uint32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  int32(): number {
    return this.view.getInt32(this.advance(4), true);
  }

  float32(): number {
    return this.view.getFloat32(this.advance(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.advance(8), true);
  }

  uint64(): number | bigint {
    return narrow(this.view.getBigUint64(this.advance(8), true));
  }

  int64(): number | bigint {
    return narrow(this.view.getBigInt64(this.advance(8), true));
  }

  /** A count, length or offset: an unsigned 64-bit integer, refused beyond the safe integers. */
  size(what: string): number {
    const at = this.advance(8);
    const high = this.view.getUint32(at + 4, true);
    if (high > 0x1fffff) throw damagedGguf(`${what} is impossibly large`, this.position - 8);
    return high * 2 ** 32 + this.view.getUint32(at, true);
  }

  private advance(length: number): number {
    const at = this.windowPosition;
    this.position += length;
    return at;
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
