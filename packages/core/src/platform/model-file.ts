import { platform } from '#platform';
import { abortSignal, integer, optionsObject, string } from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from './platform.js';
import { readExactly } from './read-exactly.js';
import { unreadable } from './unreadable.js';

const checkPath = string({ nonEmpty: true });
const checkOptions = optionsObject({
  maxBytes: integer({ min: 1, max: 2 ** 31 - 1 }),
  signal: abortSignal,
});

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
    return readExactly(source, { path, offset: 0, length: size, signal });
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
