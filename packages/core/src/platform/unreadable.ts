import { MobillmError } from '../errors/mobillm-error.js';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist. Check the path, or download the model first',
  ENOTDIR: 'does not exist. Check the path',
  EISDIR: 'is a folder. Name the model file in it',
  ENOTSUP: 'is a pipe or a device. Name a regular file',
  EACCES: 'may not be read. Check its permissions',
  EPERM: 'may not be read. Check its permissions',
};

/**
 * Turns the system's own error about a model file into one with a code, `FILE_NOT_FOUND` or
 * `IO_FAILED`; leaves all others as they are.
 */
export function unreadable(error: unknown, path: string): unknown {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (MobillmError.is(error) || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code))
    return error;
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return new MobillmError(
    reason === undefined ? 'IO_FAILED' : 'FILE_NOT_FOUND',
    `The model file "${path}" ${reason ?? `could not be read (${code}). Check the disk and try again`}.`,
    { details: { path, errno: code }, cause: error },
  );
}
