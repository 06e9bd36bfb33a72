import { Journal } from '../download/journal.js';
import { pieceBytes, PieceMap } from '../download/piece-map.js';
import type { FileSystem } from '../file-system/file-system.js';
import { removeTree } from '../remove-tree.js';

/** Read at once; the thread is given back after each. */
const chunkPieces = 16;

/**
 * Begins a download with what is sound of a damaged file, so that only the rest is fetched: the pieces
 * whose CRC-32 is right are copied to where the download is, with a journal that names them. The damaged
 * file is only read; one that cannot be read, in whole or in part, gives less. A download that was begun
 * before, such as that of a repair that was broken off, is left as it is.
 *
 * @param path of the download's content
 * @param checksums of all pieces of the sound content, whose sha256 is given
 */
export async function keepSoundPieces(
  fs: FileSystem,
  damaged: string,
  path: string,
  content: { readonly sha256: string; readonly fileBytes: number },
  checksums: Uint32Array,
  signal: AbortSignal,
): Promise<void> {
  const journalPath = `${path}.journal`;
  const { sha256, fileBytes } = content;
  if ((await fs.stat(journalPath)) !== undefined) return;
  const source = await fs.open(damaged).catch(() => undefined);
  if (source === undefined) return;
  try {
    const pieces = new PieceMap(fileBytes);
    await removeTree(fs, path);
    const target = await fs.update(path, fileBytes);
    try {
      for (let first = 0; first < pieces.count; first += chunkPieces) {
        signal.throwIfAborted();
        const offset = first * pieceBytes;
        // A sector that the disk cannot read any more is what a repair is for.
        const chunk = await source.read(offset, chunkPieces * pieceBytes).catch(() => undefined);
        for (let piece = first; piece < Math.min(first + chunkPieces, pieces.count); piece++) {
          const begin = piece * pieceBytes - offset;
          const bytes = chunk?.subarray(begin, begin + pieces.bytesOf(piece));
          if (bytes?.byteLength !== pieces.bytesOf(piece)) continue;
          const checksum = fs.crc32(bytes);
          if (checksum !== checksums[piece]) continue;
          await target.write([bytes], piece * pieceBytes);
          pieces.add(piece, checksum);
        }
      }
      await target.sync();
    } finally {
      await target.close();
    }
    // Last: without it the content counts as nothing, so that what ends this leaves nothing half done.
    const subject = { totalBytes: fileBytes, identity: sha256 };
    const journal = await Journal.begin(fs, journalPath, subject, pieces);
    await journal.close();
  } finally {
    await source.close();
  }
}
