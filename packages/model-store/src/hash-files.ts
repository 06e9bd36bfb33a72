import type { ByteSource } from '@mobillm/core';
import type { FileSystem } from './file-system/file-system.js';
import type { ProgressReporter } from './progress.js';
import { unreadable } from './store-errors.js';

/** The sha256 of some bytes, in lower-case hexadecimal. */
export function hashBytes(fs: FileSystem, bytes: Uint8Array): string {
  const hash = fs.createSha256();
  hash.update(bytes);
  return hash.digest();
}

/** Bytes taken in at once; the thread is given back after each. */
const chunkBytes = 2 ** 20;

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
  for (const [index, { path, md5: expectedMd5 }] of files.entries()) {
    let source: ByteSource | undefined;
    try {
      source = await fs.open(path);
      const hash = fs.createSha256();
      const md5 = expectedMd5 === undefined ? undefined : fs.createMd5?.();
      for (let offset = 0; offset < source.byteLength; offset += chunkBytes) {
        signal.throwIfAborted();
        const chunk = await source.read(offset, chunkBytes);
        if (chunk.byteLength === 0) break;
        hash.update(chunk);
        md5?.update(chunk);
        doneBytes += chunk.byteLength;
        progress.advance({ phase: 'hashing', doneBytes, totalBytes });
      }
      signal.throwIfAborted();
      result.push(hash.digest());
      if (md5 !== undefined && md5.digest() !== expectedMd5) onOtherMd5(index);
    } catch (error) {
      throw unreadable(error, path);
    } finally {
      await source?.close();
    }
  }
  return result;
}
