import type { ModelDescription } from './model-description.js';
import type { ModelFiles } from './model-files.js';

/** A model as a store knows it. */
export interface StoredModel {
  /** Name, unique in the store. */
  readonly name: string;
  /** Its files, with their sha256 where it is known. */
  readonly files: ModelFiles;
  /** What its header says. */
  readonly description: ModelDescription;
  /**
   * `linked`: the file lies outside the store, where its owner put it, and is never changed or
   * deleted. `owned`: the store holds the file and `remove` deletes it.
   */
  readonly ownership: 'linked' | 'owned';
  /** When it was added, ISO 8601. */
  readonly addedAt: string;
  /** Where it was downloaded from, by the store or by `app`; left out where nobody knows. */
  readonly origin?: ModelOrigin;
  /** App that holds the files of a linked model: `ollama`, `lm-studio`; left out for files of the user. */
  readonly app?: string;
  /** The model that it was made from: compiled, or written in other number formats. */
  readonly derivedFrom?: ModelSource;
  /**
   * When `resolve` last found it, ISO 8601, as `list` and `resolve` know it; the answer to a `resolve`
   * tells of the time before. Left out where it was not used, or a store keeps no account of that.
   */
  readonly lastUsedAt?: string;
  /** Whether a store that makes room for others leaves it alone; left out where it does not. */
  readonly pinned?: boolean;
}

/** What a model was made from. */
export interface ModelSource {
  /** Name of the source in its store at that time. It may have been removed since. */
  readonly name: string;
  /** Of the source's first weights file, in lower-case hexadecimal, where it is known. */
  readonly sha256?: string;
}

/** Where a model was downloaded from. */
export interface ModelOrigin {
  /** The reference in its full spelling, which asks for the same model again. */
  readonly reference: string;
  /**
   * Commit or digest that it meant at that time, where its source has such; of an address the server's mark
   * of the content (`etag`, else `last-modified`).
   */
  readonly revision?: string;
}

/** Progress of a job over bytes, reported at most ten times a second and once at the end. */
export interface ByteProgress {
  /** What is under way. */
  readonly phase: 'reading' | 'hashing' | 'copying' | 'downloading';
  /** Bytes done so far. */
  readonly doneBytes: number;
  /** Bytes in all; `undefined` where it is not known. */
  readonly totalBytes: number | undefined;
  /** Bytes a second over the last seconds, while something is downloaded. */
  readonly bytesPerSecond?: number;
  /** What is left at that rate, in seconds. */
  readonly secondsLeft?: number;
}

/** Options of every store call that can take longer than a second. */
export interface StoreJobOptions {
  /** Stops the job; the call rejects with the signal's reason and the store is as before. */
  readonly signal?: AbortSignal;
  /** Told how far the job is. */
  readonly onProgress?: (progress: ByteProgress) => void;
}

/** Options of {@link ModelStore.add}. */
export interface AddModelOptions extends StoreJobOptions {
  /** Name to add it under; by default the file's name without its extension, or the folder's. */
  readonly name?: string;
  /**
   * `link` (default) uses the file where it lies; `move` takes it into the store, without a second
   * copy where both are on one file system.
   */
  readonly placement?: 'link' | 'move';
  /**
   * The sha256 that the content must have, in lower-case hexadecimal, for a model in one file; the file is
   * read to compare it.
   */
  readonly sha256?: string;
  /**
   * When the sha256 of the files is computed, which takes a second or more a gigabyte: `now`, or
   * `later`, by the first {@link ModelStore.verify}. Default: `later` for a file that is linked, `now`
   * for one that is moved.
   */
  readonly hash?: 'now' | 'later';
  /**
   * The model that this one was made from, which is recorded. By its name alone it has to be in the store,
   * which adds its sha256 where it is known.
   */
  readonly derivedFrom?: string | ModelSource;
}

/** What {@link ModelStore.verify} found. */
export interface VerifyReport {
  /**
   * Whether every file is there and has its recorded sha256 or, where none was recorded yet, has not
   * been written to since it was added.
   */
  readonly ok: boolean;
  /** One row a file. */
  readonly files: readonly {
    /** Absolute path. */
    readonly path: string;
    /** What was found there. */
    readonly state: 'ok' | 'missing' | 'changed';
    /** The sha256 that was recorded; left out where none was yet. */
    readonly expectedSha256?: string;
    /** The sha256 that it has; left out when it is missing. */
    readonly actualSha256?: string;
  }[];
}

/** Keeps models on a device: adds, lists, resolves, verifies, removes. */
export interface ModelStore {
  /**
   * Adds a model from a file on this device, or from a folder that holds a model in a layout that the
   * store knows. Adding the same content under the same name again returns what is there; files are read
   * to find that out only where no sha256 and no path tells.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `INTEGRITY_FAILED`, `MODEL_CONFLICT`
   * when the name is taken by other content, or `MODEL_NOT_FOUND` for an unknown `derivedFrom`.
   */
  add(path: string, options?: AddModelOptions): Promise<StoredModel>;

  /** All models, sorted by name. */
  list(): Promise<readonly StoredModel[]>;

  /**
   * Finds a model by name and makes sure that its files are still there with their sizes.
   *
   * @throws MobillmError `MODEL_NOT_FOUND` with the nearest names, `FILE_NOT_FOUND` when a linked
   * file has gone, `INTEGRITY_FAILED` when its size has changed.
   */
  resolve(name: string): Promise<StoredModel>;

  /**
   * Reads every file of a model and compares its sha256 with the recorded one. That of a file which
   * has none yet is recorded, so that the next call can compare it.
   */
  verify(name: string, options?: StoreJobOptions): Promise<VerifyReport>;

  /**
   * Forgets a model; deletes its files only if the store owns them and no other model uses them.
   *
   * @throws MobillmError `MODEL_NOT_FOUND`.
   */
  remove(name: string): Promise<void>;

  /** Aborts what runs, waits for it, and frees what the store holds; may be called twice. */
  close(): Promise<void>;

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}
