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
  const code = systemCode(error);
  if (code === undefined) return error;
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return new MobillmError(
    reason === undefined ? 'IO_FAILED' : 'FILE_NOT_FOUND',
    `The model file "${path}" ${reason ?? `could not be read (${code}). Check the disk and try again`}.`,
    { details: { path, errno: code }, cause: error },
  );
}

const troubles: Readonly<Record<string, string>> = {
  ENOENT: 'the file, or the folder that it is to lie in, does not exist',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  ENOTSUP: 'it is a pipe or a device',
  EACCES: 'its permissions forbid it',
  EPERM: 'its permissions forbid it',
  EROFS: 'its disk can only be read',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
};

/**
 * Turns the system's own error about any other file into one with a code, `FILE_NOT_FOUND` where it is
 * not there and `IO_FAILED` otherwise; leaves all others as they are.
 *
 * @param done `read` or `written`.
 */
export function failedFile(error: unknown, done: string, path: string): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const trouble = Object.hasOwn(troubles, code) ? troubles[code] : 'the system refused';
  const missing = code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
  return new MobillmError(
    missing ? 'FILE_NOT_FOUND' : 'IO_FAILED',
    `"${path}" could not be ${done}: ${trouble} (${code}).`,
    { details: { path, errno: code }, cause: error },
  );
}

function systemCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (MobillmError.is(error) || typeof code !== 'string') return undefined;
  return /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
