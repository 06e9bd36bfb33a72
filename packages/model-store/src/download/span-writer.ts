import type { FileSystem, FileUpdater } from '../file-system/file-system.js';
import type { Journal } from './journal.js';
import { storeFailure } from '../store-errors.js';
import { pieceBytes, type PieceMap } from './piece-map.js';

/** A whole piece waits no longer for others of its batch, in milliseconds: networks may be slow. */
const longestWaitMs = 250;

/** Where pieces go that have come. */
export interface PieceSink {
  readonly fs: FileSystem;
  readonly file: FileUpdater;
  readonly journal: Journal;
  readonly pieces: PieceMap;
  /** A piece is on the disk. */
  readonly onPiece: (piece: number) => void;
}

/**
 * Writes the bytes of one answer, in whole pieces, several at once. While some are on their way to the
 * disk others come, and no more: `write` waits for the disk. Pieces that are there already are
 * passed over, so that an answer of the whole file fills the gaps.
 */
export class SpanWriter {
  private parts: Uint8Array[] = [];
  private piece: number;
  /** Of the piece that is being filled. */
  private filledBytes = 0;
  private checksum = 0;
  /** Whether it is there already. */
  private passing = false;
  private complete: { readonly piece: number; readonly checksum: number }[] = [];
  private writing: Promise<void> = Promise.resolve();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly sink: PieceSink,
    firstPiece: number,
    private readonly batchPieces: number,
  ) {
    this.piece = firstPiece;
  }

  /** The piece that is being filled, or comes next. */
  get position(): number {
    return this.piece;
  }

  /** Takes in bytes that follow the ones before; those beyond `endPiece` are left. */
  async write(bytes: Uint8Array, endPiece: number): Promise<void> {
    const { pieces } = this.sink;
    let rest = bytes;
    while (rest.byteLength > 0 && this.piece < endPiece) {
      const wanted = pieces.bytesOf(this.piece) - this.filledBytes;
      const part = rest.subarray(0, wanted);
      rest = rest.subarray(part.byteLength);
      const passes = this.filledBytes === 0 ? pieces.has(this.piece) : this.passing;
      this.passing = passes;
      if (!passes) {
        this.parts.push(part);
        this.checksum = this.sink.fs.crc32(part, this.checksum);
      }
      this.filledBytes += part.byteLength;
      if (part.byteLength < wanted) continue;
      if (!passes) this.complete.push({ piece: this.piece, checksum: this.checksum });
      this.piece++;
      this.filledBytes = 0;
      this.checksum = 0;
      const gap = passes || this.complete.length >= this.batchPieces;
      if (gap && this.complete.length > 0) await this.startWriting();
    }
    if (this.complete.length > 0) {
      this.timer ??= setTimeout(
        () => void this.startWriting().catch(() => undefined),
        longestWaitMs,
      );
    }
  }

  /** Settles once all whole pieces are on the disk; a part of a piece is left out. */
  async finish(): Promise<void> {
    if (this.complete.length > 0) await this.startWriting();
    await this.writing;
  }

  private async startWriting(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { file, journal, pieces, onPiece } = this.sink;
    const { complete, parts, writing: before } = this;
    const first = complete[0]?.piece ?? 0;
    let bytes = 0;
    for (const { piece } of complete) bytes += pieces.bytesOf(piece);
    const whole = takeBytes(parts, bytes);
    this.complete = [];
    this.writing = before.then(async () => {
      // Without a code it would be taken for a failure of the network.
      const failed = (error: unknown) => {
        throw storeFailure(error, 'write a download');
      };
      await file.write(whole, first * pieceBytes).catch(failed);
      for (const { piece, checksum } of complete) {
        pieces.add(piece, checksum);
        journal.add(piece, checksum);
        onPiece(piece);
      }
      await journal.flush().catch(failed);
    });
    // It is awaited by the next one; until then a failure is nobody's.
    this.writing.catch(() => undefined);
    await before;
  }
}

/** Takes so many bytes off the beginning of a list of arrays. */
function takeBytes(parts: Uint8Array[], bytes: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let left = bytes;
  while (left > 0) {
    const part = parts.shift();
    if (part === undefined) break;
    if (part.byteLength > left) {
      taken.push(part.subarray(0, left));
      parts.unshift(part.subarray(left));
      break;
    }
    taken.push(part);
    left -= part.byteLength;
  }
  return taken;
}
