import { MobillmError } from '@mobillm/core';

/** The system's name for an error, `undefined` for errors of other origin. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full; free some space and try again',
  EDQUOT: 'The disk quota is used up; free some space and try again',
  EACCES: 'Permission was denied; check who owns the folder',
  EPERM: 'Permission was denied; check who owns the folder',
  EROFS: 'The file system is read-only; use another folder',
  EIO: 'The disk reports an error; check its health',
  EMFILE: 'Too many files are open in this process; close some and try again',
};

/**
 * Gives an error of the system a code and a sentence; leaves all other errors as they are.
 * `doing` goes on after "The model store could not".
 */
export function storeFailure(error: unknown, doing: string): unknown {
  const errno = errnoOf(error);
  if (MobillmError.is(error) || errno === undefined) return error;
  const known = Object.hasOwn(advice, errno) ? advice[errno] : undefined;
  return new MobillmError(
    'IO_FAILED',
    `The model store could not ${doing}. ${known ?? `The system says ${errno}`}.`,
    { details: { errno }, retryable: errno !== 'EROFS', cause: error },
  );
}

/** The error for a file that is not there or cannot be read. */
export function fileNotFound(path: string, why: string, cause?: unknown): MobillmError {
  return new MobillmError('FILE_NOT_FOUND', `The model file "${path}" ${why}.`, {
    details: { path },
    cause,
  });
}

/** Says of a file that is to be read why it cannot be. */
export function unreadable(error: unknown, path: string): unknown {
  const errno = errnoOf(error) ?? '';
  if (errno === 'ENOENT' || errno === 'ENOTDIR') {
    return fileNotFound(path, 'does not exist. Check the path', error);
  }
  if (errno === 'EISDIR')
    return fileNotFound(path, 'is a folder. Name the model file in it', error);
  if (errno === 'EACCES' || errno === 'EPERM') {
    return fileNotFound(path, 'may not be read. Check its permissions', error);
  }
  return storeFailure(error, `read "${path}"`);
}

/** The error for a file that is no longer what was added. */
export function changedFile(path: string, what: string): MobillmError {
  return new MobillmError(
    'INTEGRITY_FAILED',
    `The model file "${path}" has changed: ${what}. Remove the model and add the file again.`,
    { details: { path } },
  );
}
