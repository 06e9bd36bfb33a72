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

/** Reads files one after the other and returns the sha256 of each, in lower-case hexadecimal. */
export async function hashFiles(
  fs: FileSystem,
  files: readonly { readonly path: string; readonly fileBytes: number }[],
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<string[]> {
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let doneBytes = 0;
  const result: string[] = [];
  for (const { path } of files) {
    let source: ByteSource | undefined;
    try {
      source = await fs.open(path);
      const hash = fs.createSha256();
      for (let offset = 0; offset < source.byteLength; offset += chunkBytes) {
        signal.throwIfAborted();
        const chunk = await source.read(offset, chunkBytes);
        if (chunk.byteLength === 0) break;
        hash.update(chunk);
        doneBytes += chunk.byteLength;
        progress.advance({ phase: 'hashing', doneBytes, totalBytes });
      }
      signal.throwIfAborted();
      result.push(hash.digest());
    } catch (error) {
      throw unreadable(error, path);
    } finally {
      await source?.close();
    }
  }
  return result;
}
