import type { ErrorCode } from './error-code.js';

/** Marks errors of every copy of this package, so that `is()` works across duplicates. */
const marker = Symbol.for('@mobillm/core/error');

/** Facts beside the sentence: counts, paths, keys. Plain values only, so that they can be logged. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** What a {@link MobillmError} is made of besides its code and message. */
export interface MobillmErrorOptions {
  /** Facts beside the sentence; empty by default. */
  readonly details?: ErrorDetails;
  /** Whether the same call may succeed later without a change by the caller; `false` by default. */
  readonly retryable?: boolean;
  /** The error underneath. */
  readonly cause?: unknown;
}

/**
 * The one error class of the SDK. Its message says what was wrong and what to do; programs look at
 * `code` and `details` alone.
 */
export class MobillmError extends Error {
  /** Always `MobillmError`; of no use to tell errors apart, see `code`. */
  override readonly name = 'MobillmError';
  /** What kind of failure this is. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** Facts beside the sentence. */
  readonly details: ErrorDetails;

  /** Makes an error of a code; `message` says what was wrong and what to do. */
  constructor(code: ErrorCode, message: string, options: MobillmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
    Object.defineProperty(this, marker, { value: true });
  }

  /**
   * Tells whether a value is a MobillmError, made by this or by another copy of the package, and,
   * when a code is given, one of that code.
   */
  static is(value: unknown, code?: ErrorCode): value is MobillmError {
    return (
      value instanceof Error &&
      (value as unknown as Record<symbol, unknown>)[marker] === true &&
      (code === undefined || (value as MobillmError).code === code)
    );
  }
}
