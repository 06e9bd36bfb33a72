import { platform } from '#platform';
import { string } from '../errors/check-options.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from '../platform/platform.js';
import type { GgufLayout } from './gguf-layout.js';
import { checkValidateOptions, validateGguf, type ValidateGgufOptions } from './validate-gguf.js';

const checkPath = string({ nonEmpty: true });

/**
 * {@link validateGguf} for a file of this device.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`; `FILE_NOT_FOUND` when the file is missing,
 * a folder, or may not be read; `UNSUPPORTED` where the platform has no file system of its own.
 * @throws InvalidArgument for a path that is no text or empty, and for an unknown option.
 */
export async function validateGgufFile(
  path: string,
  options?: ValidateGgufOptions,
): Promise<GgufLayout> {
  const file = checkPath(path, 'path');
  const checked = checkValidateOptions(options, 'options');
  let source: ByteSource | undefined;
  try {
    source = await platform.openFile(file);
    return await validateGguf(source, checked);
  } catch (error) {
    throw unreadable(error, file);
  } finally {
    await source?.close();
  }
}

/** Turns the system's own error into one with a code; leaves all others as they are. */
function unreadable(error: unknown, path: string): unknown {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (MobillmError.is(error) || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code))
    return error;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist. Check the path, or download the model first',
    ENOTDIR: 'does not exist. Check the path',
    EISDIR: 'is a folder. Name the model file in it',
    EACCES: 'may not be read. Check its permissions',
    EPERM: 'may not be read. Check its permissions',
  };
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return new MobillmError(
    reason === undefined ? 'IO_FAILED' : 'FILE_NOT_FOUND',
    `The model file "${path}" ${reason ?? `could not be read (${code}). Check the disk and try again`}.`,
    { details: { path, errno: code }, cause: error },
  );
}
