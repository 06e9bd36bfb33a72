import type { FileSystem, FileUpdater } from '../file-system/file-system.js';
import { storeFailure } from '../store-errors.js';
import type { Journal } from './journal.js';
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

/** How many pieces may be on their way to the disk; changes with the number of connections. */
export interface Batching {
  /** Pieces that are written at once. */
  readonly pieces: number;
  /** Whether others are filled meanwhile. */
  readonly fillsMeanwhile: boolean;
  /** Pieces that may wait for the journal, those of all connections together. */
  readonly unrecorded: number;
}

/** What one of the two buffers of a writer holds. */
interface Batch {
  readonly bytes: Uint8Array;
  /** The piece that it begins with. */
  first: number;
  /** With the beginning of a piece behind the whole ones. */
  filledBytes: number;
  /** Of the whole pieces. */
  readonly checksums: number[];
}

/**
 * Writes the bytes of one answer, in whole pieces, several at once. While some are on their way to the
 * disk others come, and no more: `write` waits for the disk. Pieces that are there already are
 * passed over, so that an answer of the whole file fills the gaps.
 */
export class SpanWriter {
  private batch: Batch;
  /** The buffer of the batch before, which is free once that is on the disk. */
  private other: Uint8Array | undefined;
  private piece: number;
  /** Of the piece that is being filled. */
  private filledBytes = 0;
  /** Whether it is there already. */
  private passing = false;
  private writing: Promise<void> = Promise.resolve();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What the timer has begun. */
  private turning: Promise<void> = Promise.resolve();

  constructor(
    private readonly sink: PieceSink,
    firstPiece: number,
    private readonly batching: () => Batching,
  ) {
    this.piece = firstPiece;
    this.batch = emptyBatch(new Uint8Array(batching().pieces * pieceBytes), firstPiece);
  }

  /** The piece that is being filled, or comes next. */
  get position(): number {
    return this.piece;
  }

  /**
   * Takes in bytes that follow the ones before; those beyond `endPiece` are left. Once it settles the
   * memory of the array may be used for something else.
   */
  async write(bytes: Uint8Array, endPiece: number): Promise<void> {
    const { pieces } = this.sink;
    await this.turning;
    let rest = bytes;
    while (rest.byteLength > 0 && this.piece < endPiece) {
      if (this.filledBytes === 0) this.passing = pieces.has(this.piece);
      const wanted = pieces.bytesOf(this.piece) - this.filledBytes;
      const part = rest.subarray(0, wanted);
      rest = rest.subarray(part.byteLength);
      if (!this.passing) this.fill(part);
      this.filledBytes += part.byteLength;
      if (part.byteLength < wanted) continue;
      if (!this.passing) this.completePiece();
      this.piece++;
      this.filledBytes = 0;
      const { bytes: buffer, checksums } = this.batch;
      const most = Math.min(this.batching().pieces, buffer.byteLength / pieceBytes);
      if (checksums.length >= most || (this.passing && checksums.length > 0)) await this.turn();
    }
    if (this.batch.checksums.length > 0) {
      this.timer ??= setTimeout(() => {
        // Its failure is that of the writing, which the next call meets.
        this.turning = this.turn().catch(() => undefined);
      }, longestWaitMs);
    }
  }

  /** Settles once all whole pieces are on the disk and recorded; a part of a piece is left out. */
  async finish(): Promise<void> {
    await this.turning;
    if (this.batch.checksums.length > 0) await this.turn();
    await this.writing;
    await this.sink.journal.flush().catch(failed);
  }

  private fill(part: Uint8Array): void {
    const { batch } = this;
    if (batch.filledBytes === 0) batch.first = this.piece;
    batch.bytes.set(part, batch.filledBytes);
    batch.filledBytes += part.byteLength;
  }

  private completePiece(): void {
    const { bytes, filledBytes, checksums } = this.batch;
    const content = bytes.subarray(checksums.length * pieceBytes, filledBytes);
    checksums.push(this.sink.fs.crc32(content));
  }

  /** Hands the whole pieces to the disk once those before are there, and goes on in the other buffer. */
  private async turn(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.writing;
    const { batch } = this;
    const begunBytes = this.passing ? 0 : this.filledBytes;
    const wholeBytes = batch.filledBytes - begunBytes;
    const { pieces, fillsMeanwhile } = this.batching();
    const { other } = this;
    const isOfUse = other !== undefined && other.byteLength === pieces * pieceBytes;
    const next = emptyBatch(isOfUse ? other : new Uint8Array(pieces * pieceBytes), this.piece);
    next.bytes.set(batch.bytes.subarray(wholeBytes, batch.filledBytes));
    next.filledBytes = begunBytes;
    this.batch = next;
    this.other = batch.bytes;
    this.writing = this.keep(batch, wholeBytes);
    // It is awaited by the next one; until then a failure is nobody's.
    this.writing.catch(() => undefined);
    if (!fillsMeanwhile) await this.writing;
  }

  private async keep({ bytes, first, checksums }: Batch, wholeBytes: number): Promise<void> {
    const { file, journal, pieces, onPiece } = this.sink;
    await file.write([bytes.subarray(0, wholeBytes)], first * pieceBytes).catch(failed);
    for (const [index, checksum] of checksums.entries()) {
      pieces.add(first + index, checksum);
      journal.add(first + index, checksum);
      onPiece(first + index);
    }
    await journal.flush(this.batching().unrecorded).catch(failed);
  }
}

function emptyBatch(bytes: Uint8Array, first: number): Batch {
  return { bytes, first, filledBytes: 0, checksums: [] };
}

/** Without a code it would be taken for a failure of the network. */
function failed(error: unknown): never {
  throw storeFailure(error, 'write a download');
}
