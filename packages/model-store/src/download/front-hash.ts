import type { FileSystem, FileUpdater } from '../file-system/file-system.js';
import { pieceBytes, type PieceMap } from './piece-map.js';

/** Read at once; the thread is given back after each. */
const readBytes = 4 * pieceBytes;

/**
 * The sha256 of a file that is being downloaded, computed right behind the last byte that is there
 * without a gap, from what the system still has in memory. What an earlier process left is
 * compared with the journal on the way; a piece that differs is dropped, and comes again.
 */
export class FrontHash {
  /** The sha256 in lower-case hexadecimal, once all is there. */
  readonly digest: Promise<string>;
  private wake: (() => void) | undefined;
  private stopped = false;
  private doneBytes = 0;

  constructor(
    private readonly fs: FileSystem,
    private readonly file: FileUpdater,
    private readonly pieces: PieceMap,
    /** Pieces that are only said to be there. */
    private readonly unproven: PieceMap,
    private readonly onDropped: () => void,
  ) {
    this.digest = this.run();
    // Whoever stops it early does not look at the result.
    this.digest.catch(() => undefined);
  }

  /** More of the file is there. */
  advance(): void {
    this.wake?.();
  }

  /** Ends it; `digest` is rejected unless it has been computed. */
  stop(): void {
    this.stopped = true;
    this.wake?.();
  }

  private async run(): Promise<string> {
    const { pieces, unproven } = this;
    const hash = this.fs.createSha256();
    while (this.doneBytes < pieces.totalBytes) {
      if (this.stopped) throw new Error('stopped');
      const length = Math.min(readBytes, pieces.frontBytes - this.doneBytes);
      if (length <= 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
        continue;
      }
      const bytes = await this.file.read(this.doneBytes, length);
      let sound = 0;
      while (sound < bytes.byteLength) {
        const piece = (this.doneBytes + sound) / pieceBytes;
        const part = bytes.subarray(sound, sound + pieces.bytesOf(piece));
        if (unproven.has(piece)) {
          unproven.drop(piece);
          if (this.fs.crc32(part) !== pieces.checksum(piece)) {
            pieces.drop(piece);
            this.onDropped();
            break;
          }
        }
        sound += part.byteLength;
      }
      hash.update(bytes.subarray(0, sound));
      this.doneBytes += sound;
      // A file that somebody cut: what is gone has to come again.
      if (bytes.byteLength < length && sound === bytes.byteLength) {
        for (let at = pieces.nextPresent(this.doneBytes / pieceBytes); at < pieces.count;) {
          pieces.drop(at);
          at = pieces.nextPresent(at + 1);
        }
        this.onDropped();
      }
    }
    return hash.digest();
  }
}
