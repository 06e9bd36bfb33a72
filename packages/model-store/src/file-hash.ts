import type { ByteSource } from '@mobillm/core';
import {
  hashBlockBytes,
  type FileHash,
  type FileSystem,
  type Sha256,
} from './file-system/file-system.js';

/** A smaller file is hashed before a thread for it would have begun. */
const worthAThread = 2 ** 25;
/** Read at once; the thread is given back after each. */
const readBytes = 4 * hashBlockBytes;

/**
 * Starts the sha256 of a file of about that many bytes, beside this thread where the file system can. `source` is
 * the open file where the caller has it; it is not closed. `also` takes in the same bytes, on this thread.
 */
export async function openFileHash(
  fs: FileSystem,
  path: string,
  fileBytes: number,
  { source, also }: { readonly source?: ByteSource; readonly also?: Sha256 | undefined } = {},
): Promise<FileHash> {
  if (fileBytes >= worthAThread && fs.hashFile !== undefined && also === undefined) {
    return fs.hashFile(path);
  }
  const opened = source ?? (await fs.open(path));
  const close = source === undefined ? () => opened.close() : async () => undefined;
  return hashHere(fs, opened, close, also);
}

/** A sha256 computed by the calling thread. */
function hashHere(
  fs: FileSystem,
  source: ByteSource,
  close: () => Promise<void>,
  also: Sha256 | undefined,
): FileHash {
  const hash = fs.createSha256();
  let position = 0;
  return {
    async take(length, checksums = []) {
      let takenBytes = 0;
      while (takenBytes < length) {
        const wanted = Math.min(readBytes, length - takenBytes);
        const bytes = await source.read(position, wanted);
        let sound = 0;
        while (sound < bytes.byteLength) {
          const block = bytes.subarray(sound, sound + hashBlockBytes);
          const expected = checksums[(takenBytes + sound) / hashBlockBytes];
          if (expected !== undefined && fs.crc32(block) !== expected) break;
          sound += block.byteLength;
        }
        hash.update(bytes.subarray(0, sound));
        also?.update(bytes.subarray(0, sound));
        position += sound;
        takenBytes += sound;
        if (sound < bytes.byteLength) return { takenBytes, isAtEnd: false };
        if (bytes.byteLength < wanted) return { takenBytes, isAtEnd: true };
      }
      return { takenBytes, isAtEnd: false };
    },
    digest: async () => hash.digest(),
    close,
  };
}
