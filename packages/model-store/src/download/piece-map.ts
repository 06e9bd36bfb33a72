import { hashBlockBytes } from '../file-system/file-system.js';

/**
 * Bytes of a piece: what is recorded as there, or is not. Eight connections with one piece each on its
 * way to the disk and one being filled are a mebibyte, which is what a crash may cost.
 */
export const pieceBytes = hashBlockBytes;

/** Which pieces of a file are there, with the CRC-32 of each. */
export class PieceMap {
  /** Number of pieces; the last one may be shorter. */
  readonly count: number;
  private readonly there: Uint8Array;
  private readonly checksums: Uint32Array;
  private missing: number;
  private firstMissing = 0;

  constructor(readonly totalBytes: number) {
    this.count = Math.ceil(totalBytes / pieceBytes);
    this.there = new Uint8Array(this.count);
    this.checksums = new Uint32Array(this.count);
    this.missing = this.count;
  }

  /** Whether a piece is there. */
  has(piece: number): boolean {
    return this.there[piece] === 1;
  }

  /** The CRC-32 of a piece that is there. */
  checksum(piece: number): number {
    return this.checksums[piece] ?? 0;
  }

  /** The CRC-32 of all pieces, in their order; 0 for those that are not there. */
  get allChecksums(): Uint32Array {
    return this.checksums.slice();
  }

  /** A piece has come. */
  add(piece: number, checksum: number): void {
    this.checksums[piece] = checksum;
    if (this.there[piece] === 1) return;
    this.there[piece] = 1;
    this.missing--;
    while (this.there[this.firstMissing] === 1) this.firstMissing++;
  }

  /** A piece is not there after all. */
  drop(piece: number): void {
    if (this.there[piece] !== 1) return;
    this.there[piece] = 0;
    this.missing++;
    this.firstMissing = Math.min(this.firstMissing, piece);
  }

  /** Whether all pieces are there. */
  get isWhole(): boolean {
    return this.missing === 0;
  }

  /** Bytes from the beginning on that are there without a gap. */
  get frontBytes(): number {
    return Math.min(this.firstMissing * pieceBytes, this.totalBytes);
  }

  /** Bytes that are there. */
  get doneBytes(): number {
    const whole = (this.count - this.missing) * pieceBytes;
    const last = this.count - 1;
    if (last < 0 || !this.has(last)) return whole;
    return whole - (this.count * pieceBytes - this.totalBytes);
  }

  /** Bytes of one piece. */
  bytesOf(piece: number): number {
    return Math.min(pieceBytes, this.totalBytes - piece * pieceBytes);
  }

  /** The first piece from `from` on that is missing; `count` when there is none. */
  nextMissing(from: number): number {
    const found = this.there.indexOf(0, Math.max(from, this.firstMissing));
    return found < 0 ? this.count : found;
  }

  /** The first piece from `from` on that is there; `count` when there is none. */
  nextPresent(from: number): number {
    const found = this.there.indexOf(1, from);
    return found < 0 ? this.count : found;
  }
}
