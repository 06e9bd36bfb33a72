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
  for (const [index, { path, fileBytes, md5: expectedMd5 }] of files.entries()) {
    signal.throwIfAborted();
    try {
      // By this thread: files that have an md5 come in shards.
      const md5 = expectedMd5 === undefined ? undefined : fs.createMd5?.();
      result.push(await hashFile(fs, { path, fileBytes, also: md5 }, onBytes));
      if (md5 !== undefined && md5.digest() !== expectedMd5) onOtherMd5(index);
    } catch (error) {
      throw unreadable(error, path);
    }
  }
  return result;
}

async function hashFile(
  fs: FileSystem,
  { path, fileBytes, also }: FileToHash & { readonly also: Sha256 | undefined },
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = await openFileHash(fs, path, fileBytes, { also });
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
