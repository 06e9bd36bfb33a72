import type { MobillmError, StoreJobOptions, VerifyReport } from '@mobillm/core';

/** Options of `verify` and `verifyAll`. */
export interface VerifyOptions extends StoreJobOptions {
  /**
   * Whether files are mended that are missing or changed. Of a model that was downloaded, only what differs
   * is fetched again, into a new file that takes the place of the old one at once. Linked files are
   * never written to. Default `false`.
   */
  readonly repair?: boolean;
}

/** One file of a {@link DeviceVerifyReport}. */
export type VerifiedFile = VerifyReport['files'][number] & {
  /** Bytes that were fetched to mend it; left out where it was not. Its `state` is what it is now. */
  readonly fetchedBytes?: number;
  /** Why it could not be mended and what to do, in a sentence; left out where nothing is to be done. */
  readonly advice?: string;
};

/** What `verify` of a store on a device found. */
export interface DeviceVerifyReport extends VerifyReport {
  readonly files: readonly VerifiedFile[];
}

/** What `verifyAll` found. */
export interface StoreVerifyReport {
  /** Whether all models are what was recorded. */
  readonly ok: boolean;
  /** By name; a report, or why there is none. */
  readonly models: readonly {
    /** Of the model; of its record where that is damaged. */
    readonly name: string;
    /** Left out where `error` is given. */
    readonly report?: DeviceVerifyReport;
    /** Why it could not be looked at. */
    readonly error?: MobillmError;
  }[];
}

/** Options of `prune`. */
export interface PruneOptions extends StoreJobOptions {
  /** Most bytes that owned models may have afterwards; the store's `maxBytes` by default. */
  readonly maxBytes?: number;
  /** Owned models that were not used for so many days go, however much room there is. */
  readonly olderThanDays?: number;
  /**
   * Downloads that were broken off and have not grown for so many days go. Default 7; 0 clears all that no
   * living process is busy with.
   */
  readonly downloadsOlderThanDays?: number;
  /**
   * Whether files of the same content become one with several names. One of them is read first, to be
   * sure of it. Default `false`.
   */
  readonly dedupe?: boolean;
  /** Whether it is only told what would go. Default `false`. */
  readonly dryRun?: boolean;
}

/** What was deleted. */
export interface PrunedItem {
  /**
   * `model`: a model with its files; `download`: what was left of one; `temporary`: files of a process that
   * has ended; `leftover`: what no record names.
   */
  readonly kind: 'model' | 'download' | 'temporary' | 'leftover';
  /** Name of the model; path from the store's folder for all else. */
  readonly name: string;
  /** Bytes that the disk has again. Content that has other names in the store frees nothing. */
  readonly freedBytes: number;
  /** Why, in a few words. */
  readonly reason: string;
}

/** What `prune` did, or would do. */
export interface PruneReport {
  /** Whether nothing was changed. */
  readonly dryRun: boolean;
  /** What went, in its order. */
  readonly removed: readonly PrunedItem[];
  /** Files that became second names of equal ones. */
  readonly joined: readonly {
    /** Name of the model that it belongs to. */
    readonly name: string;
    /** Absolute path. */
    readonly path: string;
    /** Bytes that the disk has again. */
    readonly freedBytes: number;
  }[];
  /** Bytes that the disk has again, of all. */
  readonly freedBytes: number;
  /** Bytes of owned models that are left; above the limit where pinned models, or those in use, keep it there. */
  readonly ownedBytes: number;
}
