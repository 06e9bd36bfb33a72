import type { FileSystem, FileWriter } from '../file-system/file-system.js';
import type { PieceMap } from './piece-map.js';

const schema = 1;
/** Number of a piece, its CRC-32, and the CRC-32 of both. */
export const recordBytes = 12;
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
  private pending: Uint8Array[] = [];
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
    try {
      const journal = new Journal(fs, writer);
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ schema, ...subject })}\n`));
      for (let piece = pieces.nextPresent(0); piece < pieces.count;) {
        journal.add(piece, pieces.checksum(piece));
        piece = pieces.nextPresent(piece + 1);
      }
      await journal.flush();
      await fs.rename(fresh, path);
      return journal;
    } catch (error) {
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
      const readBytes = recordBytes * 2 ** 14;
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

  /** Notes a piece whose content has been written; on the disk with the next `flush`. */
  add(piece: number, checksum: number): void {
    const record = new Uint8Array(recordBytes);
    const view = new DataView(record.buffer);
    view.setUint32(0, piece, true);
    view.setUint32(4, checksum, true);
    view.setUint32(8, this.fs.crc32(record.subarray(0, 8)), true);
    this.pending.push(record);
  }

  /** Writes what was noted. */
  flush(): Promise<void> {
    this.last = this.last.then(async () => {
      if (this.pending.length === 0) return;
      const records = this.pending;
      this.pending = [];
      const bytes = new Uint8Array(records.length * recordBytes);
      for (const [index, record] of records.entries()) bytes.set(record, index * recordBytes);
      await this.writer.write(bytes);
    });
    return this.last;
  }

  /** Writes what was noted and closes it; may be called twice. */
  async close(): Promise<void> {
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
