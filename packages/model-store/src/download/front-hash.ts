import { openFileHash } from '../file-hash.js';
import type { FileHash, FileSystem, FileUpdater } from '../file-system/file-system.js';
import { pieceBytes, type PieceMap } from './piece-map.js';
import { whenRunning, type PullControl } from './pull-control.js';

/** Bytes hashed before it is looked whether to go on. */
const hashedAtOnce = 16 * pieceBytes;

/** What {@link FrontHash} is given. */
export interface FrontHashOptions {
  readonly fs: FileSystem;
  readonly path: string;
  readonly file: FileUpdater;
  readonly pieces: PieceMap;
  /** Pieces that are only said to be there. */
  readonly unproven: PieceMap;
  readonly control?: PullControl | undefined;
  /** Ends it; `digest` is rejected unless it has been computed. */
  readonly signal: AbortSignal;
  /** A piece that was said to be there is not. */
  readonly onDropped: () => void;
}

/**
 * The sha256 of a file that is being downloaded, computed right behind the last byte that is there
 * without a gap, from what the system still has in memory. What an earlier process left is
 * compared with the journal on the way; a piece that differs is dropped, and comes again.
 */
export class FrontHash {
  /** The sha256 in lower-case hexadecimal, once all is there. */
  readonly digest: Promise<string>;
  private wake: (() => void) | undefined;
  private doneBytes = 0;

  constructor(private readonly options: FrontHashOptions) {
    options.signal.addEventListener('abort', () => this.advance(), { once: true });
    this.digest = this.run();
    // Whoever ends it early does not look at the result.
    this.digest.catch(() => undefined);
  }

  /** More of the file is there. */
  advance(): void {
    this.wake?.();
  }

  private async run(): Promise<string> {
    const { fs, path, file, pieces } = this.options;
    const hash = await openFileHash(fs, path, pieces.totalBytes, { source: file });
    try {
      await this.hashAll(hash);
      return await hash.digest();
    } finally {
      await hash.close();
    }
  }

  private async hashAll(hash: FileHash): Promise<void> {
    const { pieces, unproven, control, signal, onDropped } = this.options;
    while (this.doneBytes < pieces.totalBytes) {
      await whenRunning(control, signal);
      const length = Math.min(hashedAtOnce, pieces.frontBytes - this.doneBytes);
      if (length <= 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
        continue;
      }
      const first = this.doneBytes / pieceBytes;
      const checksums = Array.from({ length: Math.ceil(length / pieceBytes) }, (_, index) =>
        unproven.has(first + index) ? pieces.checksum(first + index) : undefined,
      );
      const { takenBytes, isAtEnd } = await hash.take(length, checksums);
      const end = first + Math.ceil(takenBytes / pieceBytes);
      for (let piece = first; piece < end; piece++) unproven.drop(piece);
      this.doneBytes += takenBytes;
      if (takenBytes === length) continue;
      // This piece is not what it is said to be. Of a file that somebody cut, all that is gone has to
      // come again.
      let gone = end;
      do {
        pieces.drop(gone);
        unproven.drop(gone);
        gone = pieces.nextPresent(gone + 1);
      } while (isAtEnd && gone < pieces.count);
      onDropped();
    }
  }
}
