import { platform } from '#platform';
import { abortSignal, integer, optionsObject, string } from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from './platform.js';
import { unreadable } from './unreadable.js';

const checkPath = string({ nonEmpty: true });
const checkOptions = optionsObject({
  maxBytes: integer({ min: 1, max: 2 ** 31 - 1 }),
  signal: abortSignal,
});
/** Bytes read at once. */
const chunkBytes = 2 ** 20;

/** Options of {@link readModelFile}. */
export interface ReadModelFileOptions {
  /** Size in bytes beyond which the file is refused unread; what a sound one can have at most. */
  readonly maxBytes: number;
  /** Stops reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a file of a model for random reads, runs `use`, and closes it again whatever happens.
 *
 * @throws MobillmError `FILE_NOT_FOUND` when the file is missing, a folder, or may not be read;
 * `IO_FAILED` when the system cannot read it; `UNSUPPORTED` where the platform has no file system.
 */
export async function withModelFile<T>(
  path: string,
  use: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const file = checkPath(path, 'path');
  let source: ByteSource | undefined;
  try {
    source = await platform.openFile(file);
    return await use(source);
  } catch (error) {
    throw unreadable(error, file);
  } finally {
    await source?.close();
  }
}

/**
 * Reads a small file of a model whole: a config, a manifest, a tokenizer.
 *
 * @throws MobillmError `MODEL_INVALID` when it is longer than `maxBytes`; `FILE_NOT_FOUND` when it is
 * missing, a folder, or may not be read; `IO_FAILED`, also when it shrinks while it is read;
 * `UNSUPPORTED` where the platform has no file system of its own.
 * @throws InvalidArgument for an empty path or a wrong option.
 */
export async function readModelFile(
  path: string,
  options: ReadModelFileOptions,
): Promise<Uint8Array> {
  const { maxBytes, signal } = checkOptions(options, 'options');
  if (maxBytes === undefined) throw wrongType('options.maxBytes', 'an integer', undefined);
  return withModelFile(path, async (source) => {
    const size = source.byteLength;
    if (size > maxBytes) {
      throw new MobillmError(
        'MODEL_INVALID',
        `"${path}" has ${size} bytes, and such a file of a model has at most ${maxBytes}. Download or convert the model again.`,
        { details: { what: 'too long', path, fileBytes: size, maxBytes } },
      );
    }
    const bytes = new Uint8Array(size);
    for (let filled = 0; filled < size;) {
      signal?.throwIfAborted();
      const chunk = await source.read(filled, Math.min(chunkBytes, size - filled));
      if (chunk.byteLength === 0) throw shrank(path, filled, size);
      bytes.set(chunk, filled);
      filled += chunk.byteLength;
    }
    signal?.throwIfAborted();
    return bytes;
  });
}

/**
 * Size of a file of a model in bytes.
 *
 * @throws MobillmError as {@link readModelFile} does.
 */
export async function fileBytes(path: string): Promise<number> {
  return withModelFile(path, (source) => Promise.resolve(source.byteLength));
}

/** The error for a file that ended before the size it had when it was opened. */
export function shrank(path: string, actualBytes: number, expectedBytes: number): MobillmError {
  return new MobillmError(
    'IO_FAILED',
    `"${path}" had ${expectedBytes} bytes when it was opened and ended after ${actualBytes}. Something else is writing it; wait for it to end and try again.`,
    { details: { path, actualBytes, expectedBytes }, retryable: true },
  );
}
