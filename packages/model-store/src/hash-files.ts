import { openFileHash } from './file-hash.js';
import type { FileSystem, Sha256 } from './file-system/file-system.js';
import type { ProgressReporter } from './progress.js';
import { unreadable } from './store-errors.js';

/** The sha256 of some bytes, in lower-case hexadecimal. */
export function hashBytes(fs: FileSystem, bytes: Uint8Array): string {
  const hash = fs.createSha256();
  hash.update(bytes);
  return hash.digest();
}

/** Bytes taken in between two looks at the signal. */
const chunkBytes = 2 ** 22;
/** The same where the thread is given back only between two of them. */
const shardChunkBytes = 2 ** 20;

/** A file to be hashed. */
export interface FileToHash {
  readonly path: string;
  readonly fileBytes: number;
  /** The md5 that its content must have, where one is known. */
  readonly md5?: string;
}

/**
 * Reads files one after the other and returns the sha256 of each, in lower-case hexadecimal. In the same pass an
 * md5 is compared where one is known and the file system computes it; `onOtherMd5` is told of a file, by its
 * place, that has another one.
 */
export async function hashFiles(
  fs: FileSystem,
  files: readonly FileToHash[],
  progress: ProgressReporter,
  signal: AbortSignal,
  onOtherMd5: (index: number) => void = () => undefined,
): Promise<string[]> {
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let doneBytes = 0;
  const result: string[] = [];
  const onBytes = (bytes: number) => {
    signal.throwIfAborted();
    doneBytes += bytes;
    progress.advance({ phase: 'hashing', doneBytes, totalBytes });
  };
  for (const [index, { path, fileBytes, md5 }] of files.entries()) {
    signal.throwIfAborted();
    try {
      if (md5 === undefined || fs.createMd5 === undefined) {
        result.push(await hashFile(fs, path, fileBytes, onBytes));
      } else {
        const sums = await hashTwice(fs, path, fs.createMd5(), onBytes);
        result.push(sums.sha256);
        if (sums.md5 !== md5) onOtherMd5(index);
      }
    } catch (error) {
      throw unreadable(error, path);
    }
  }
  return result;
}

async function hashFile(
  fs: FileSystem,
  path: string,
  fileBytes: number,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = await openFileHash(fs, path, fileBytes);
  try {
    for (let isAtEnd = false; !isAtEnd;) {
      const taken = await hash.take(chunkBytes);
      isAtEnd = taken.isAtEnd;
      onBytes(taken.takenBytes);
    }
    return await hash.digest();
  } finally {
    await hash.close();
  }
}

/** Both sums in one pass, by this thread: files that have an md5 come in shards. */
async function hashTwice(
  fs: FileSystem,
  path: string,
  md5: Sha256,
  onBytes: (bytes: number) => void,
): Promise<{ readonly sha256: string; readonly md5: string }> {
  const source = await fs.open(path);
  try {
    const sha256 = fs.createSha256();
    for (let offset = 0; offset < source.byteLength; offset += shardChunkBytes) {
      const chunk = await source.read(offset, shardChunkBytes);
      if (chunk.byteLength === 0) break;
      sha256.update(chunk);
      md5.update(chunk);
      onBytes(chunk.byteLength);
    }
    return { sha256: sha256.digest(), md5: md5.digest() };
  } finally {
    await source.close();
  }
}
