import type { Message } from '../chat/message.js';
import type { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationOptions } from './generation-options.js';

/** Options of {@link Model.createSession}. */
export interface SessionOptions {
  /** System message. None by default; some templates then put in their own. */
  readonly system?: string;
  /** Messages that went before. */
  readonly messages?: readonly Message[];
  /**
   * What happens when the conversation no longer fits the context: `error`, the default, fails with
   * `CONTEXT_FULL` and both counts; `shift` leaves the oldest messages out of the prompt, also in the
   * middle of an answer. `messages` keeps them, and `usage.droppedMessages` says how many are out. What
   * is left is not computed again where the engine can move its cache: the model then still knows
   * something of what was dropped, and such a cache is neither saved nor lent to others.
   */
  readonly contextPolicy?: 'error' | 'shift';
  /** Messages at the beginning that `shift` always keeps. By default the system message, if there is one. */
  readonly keepMessages?: number;
  /** Defaults for every `send`. */
  readonly defaults?: Omit<GenerationOptions, 'signal'>;
}

/** Options of {@link Session.save}. */
export interface SaveSessionOptions {
  /** Stops it; nothing is written then. */
  readonly signal?: AbortSignal;
  /** Told the share of the file that is written, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What {@link Session.save} wrote. */
export interface SavedSessionReport {
  /** Length of the file in bytes. */
  readonly bytes: number;
  /** Tokens whose keys and values are in it. */
  readonly cachedTokens: number;
  /** Why the cache is not in it, where it is not: then it is computed again after a restore. */
  readonly reason?: MobillmError;
}

/** Options of {@link Model.restoreSession}. */
export interface RestoreSessionOptions {
  /** Defaults for every `send`. */
  readonly defaults?: Omit<GenerationOptions, 'signal'>;
  /** See {@link SessionOptions.contextPolicy}; by default what the session was saved with. */
  readonly contextPolicy?: 'error' | 'shift';
  /** See {@link SessionOptions.keepMessages}. */
  readonly keepMessages?: number;
  /** Stops it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of the file that is read, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** What became of the cache of a session that was restored. */
export interface RestoredCache {
  /** Tokens that need not be computed again. */
  readonly cachedTokens: number;
  /**
   * Why the cache in the file was not used, where it was not: the next `send` computes the conversation
   * again, and all else is as if it had been used.
   */
  readonly reason?: MobillmError;
}
