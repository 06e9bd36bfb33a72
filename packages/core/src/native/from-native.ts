import { errorCodes, type ErrorCode } from '../errors/error-code.js';
import type { InvalidArgument } from '../errors/invalid-argument.js';
import { MobillmError, type ErrorDetails } from '../errors/mobillm-error.js';

/** Codes of failures that may be over when the same call is made again. */
const passing: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BUSY', 'OUT_OF_MEMORY']);

/**
 * The SDK's error for what an addon threw. Errors that have a code keep it, with their details; a
 * wrong call stays the TypeError or RangeError that it is; anything else becomes `NATIVE_FAILURE`.
 */
export function fromNative(error: unknown): MobillmError | InvalidArgument {
  if (MobillmError.is(error)) return error;
  const { code, details } = (error ?? {}) as {
    readonly code?: unknown;
    readonly details?: unknown;
  };
  if (code === 'INVALID_ARGUMENT' && (error instanceof TypeError || error instanceof RangeError)) {
    return error as InvalidArgument;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (typeof code === 'string' && errorCodes.has(code)) {
    return new MobillmError(code as ErrorCode, message, {
      retryable: passing.has(code as ErrorCode),
      details: (typeof details === 'object' && details !== null ? details : {}) as ErrorDetails,
      cause: error,
    });
  }
  return new MobillmError('NATIVE_FAILURE', message, { cause: error });
}

/** Calls an addon and throws what it throws as the SDK's error. */
export function callNative<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw fromNative(error);
  }
}
