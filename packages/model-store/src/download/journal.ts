import type { FileSystem, FileWriter } from '../file-system/file-system.js';
import { pieceBytes, type PieceMap } from './piece-map.js';

const schema = 1;
/** Number of a piece, its CRC-32, and the CRC-32 of both. */
const recordBytes = 12;
/** Records that are written at once when a journal is begun anew, and read at once. */
const recordsAtOnce = 2 ** 14;
/** A record waits no longer for others, in milliseconds. */
const longestWaitMs = 250;
/** The first line is a few hundred bytes. */
const maxHeadBytes = 2 ** 16;
/** A journal of a file of 8 TB. */
const maxJournalBytes = 2 ** 31;

/** What a download is of; a journal of anything else is of no use to it. */
export interface DownloadSubject {
  readonly totalBytes: number;
  /**
   * The sha256 of the content where it is known; else the server's own mark of it. Without either
   * nothing of it can be taken up.
   */
  readonly identity: string | undefined;
}

/**
 * Records which pieces of a download are on the disk: a line of JSON that says of what, and then
 * twelve bytes a piece, appended. It is not synced with the content: after a power cut the disk may
 * hold more or less than it says, so each piece is read again and compared with its CRC-32, which a
 * resumed download has to do for the sha256 of the whole anyway.
 */
export class Journal {
  private noted = new Uint8Array(64 * recordBytes);
  private notedBytes = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Writes follow one another: a record that another one is written into is lost. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly fs: FileSystem,
    private readonly writer: FileWriter,
  ) {}

  /** Begins a journal in the place of an older one, with the pieces that a map has. */
  static async begin(
    fs: FileSystem,
    path: string,
    subject: DownloadSubject,
    pieces: PieceMap,
  ): Promise<Journal> {
    const fresh = `${path}.new`;
    await fs.remove(fresh);
    const writer = await fs.create(fresh);
    const journal = new Journal(fs, writer);
    try {
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ schema, ...subject })}\n`));
      for (let piece = pieces.nextPresent(0); piece < pieces.count;) {
        journal.add(piece, pieces.checksum(piece));
        await journal.flush(recordsAtOnce);
        piece = pieces.nextPresent(piece + 1);
      }
      await journal.flush();
      // It replaces what an earlier process wrote, which may have reached the disk.
      if (pieces.doneBytes > 0) await writer.sync();
      await fs.rename(fresh, path);
      return journal;
    } catch (error) {
      clearTimeout(journal.timer);
      await writer.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Marks in a map what a journal says of this subject. A torn end, a damaged record, a journal of
   * something else or none at all mark less or nothing.
   */
  static async recall(
    fs: FileSystem,
    path: string,
    subject: DownloadSubject,
    pieces: PieceMap,
  ): Promise<void> {
    const facts = await fs.stat(path);
    if (facts?.kind !== 'file' || facts.fileBytes > maxJournalBytes) return;
    const source = await fs.open(path);
    try {
      const head = await source.read(0, maxHeadBytes);
      const end = head.indexOf(10);
      if (end < 0 || !isOf(new TextDecoder().decode(head.subarray(0, end)), subject)) return;
      const readBytes = recordBytes * recordsAtOnce;
      for (let offset = end + 1; ; offset += readBytes) {
        const bytes = await source.read(offset, readBytes);
        for (let at = 0; at + recordBytes <= bytes.byteLength; at += recordBytes) {
          const record = bytes.subarray(at, at + recordBytes);
          const view = new DataView(record.buffer, record.byteOffset, recordBytes);
          const piece = view.getUint32(0, true);
          if (piece >= pieces.count) continue;
          if (view.getUint32(8, true) !== fs.crc32(record.subarray(0, 8))) continue;
          pieces.add(piece, view.getUint32(4, true));
        }
        if (bytes.byteLength < readBytes) return;
      }
    } finally {
      await source.close();
    }
  }

  /** About how many bytes of a file are there by its journal: pieces that came twice count twice. */
  static async recordedBytes(fs: FileSystem, path: string, file: string): Promise<number> {
    const [facts, content] = await Promise.all([fs.stat(path), fs.stat(file)]);
    if (facts?.kind !== 'file' || content?.kind !== 'file') return 0;
    const source = await fs.open(path);
    try {
      const head = (await source.read(0, maxHeadBytes)).indexOf(10) + 1;
      const records = Math.floor((facts.fileBytes - head) / recordBytes);
      return Math.min(Math.max(records, 0) * pieceBytes, content.fileBytes);
    } finally {
      await source.close();
    }
  }

  /**
   * Notes a piece whose content has been written. It is recorded by a `flush`, or in a quarter of a second.
   */
  add(piece: number, checksum: number): void {
    if (this.notedBytes === this.noted.byteLength) {
      const larger = new Uint8Array(2 * this.noted.byteLength);
      larger.set(this.noted);
      this.noted = larger;
    }
    const record = this.noted.subarray(this.notedBytes, this.notedBytes + recordBytes);
    const view = new DataView(record.buffer, record.byteOffset, recordBytes);
    view.setUint32(0, piece, true);
    view.setUint32(4, checksum, true);
    view.setUint32(8, this.fs.crc32(record.subarray(0, 8)), true);
    this.notedBytes += recordBytes;
    this.timer ??= setTimeout(() => void this.flush().catch(() => undefined), longestWaitMs);
  }

  /** Writes what was noted, unless it is only so many records; these wait for others, but not for long. */
  flush(mayWait = 0): Promise<void> {
    if (this.notedBytes <= mayWait * recordBytes) return this.last;
    clearTimeout(this.timer);
    this.timer = undefined;
    const bytes = this.noted.slice(0, this.notedBytes);
    this.notedBytes = 0;
    this.last = this.last.then(() => this.writer.write(bytes));
    // A failure of what the timer began is met by the next call.
    this.last.catch(() => undefined);
    return this.last;
  }

  /** Writes what was noted and closes it; may be called twice. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    try {
      await this.flush();
    } finally {
      await this.writer.close();
    }
  }
}

function isOf(line: string, subject: DownloadSubject): boolean {
  try {
    const head = JSON.parse(line) as Partial<Record<string, unknown>> | null;
    return (
      head?.['schema'] === schema &&
      head['totalBytes'] === subject.totalBytes &&
      typeof subject.identity === 'string' &&
      head['identity'] === subject.identity
    );
  } catch {
    return false;
  }
}
