import type { MobillmError, StoredModel } from '@mobillm/core';
import type { FileSystem } from './file-system/file-system.js';
import { ChecksumFolder } from './house/checksums.js';
import { UseMarks } from './house/use-marks.js';
import type { StoreLayout } from './layout.js';
import { makeWorkFolder, sweepWorkFolders, takeLock, type WorkFolder } from './lock.js';
import { ManifestFolder } from './manifest/manifest-folder.js';

/** How much a store may own. */
export interface StoreLimit {
  /** Bytes of all owned files together; none by default. */
  readonly maxBytes?: number | undefined;
  /** Told of each model that had to go. */
  readonly onEvicted?: ((model: StoredModel) => void) | undefined;
}

/** What the parts of one open store share. */
export class StoreContext {
  /** Its manifests. */
  readonly manifests: ManifestFolder;
  /** When its models were last used. */
  readonly uses: UseMarks;
  /** Checksums of the pieces of what was downloaded. */
  readonly checksums: ChecksumFolder;
  private swept = false;

  constructor(
    readonly fs: FileSystem,
    readonly layout: StoreLayout,
    /** Told of what does not make a call fail. */
    readonly onProblem: ((error: MobillmError) => void) | undefined,
    readonly limit: StoreLimit = {},
  ) {
    this.manifests = new ManifestFolder(layout, fs);
    this.uses = new UseMarks(layout, fs);
    this.checksums = new ChecksumFolder(layout, fs);
  }

  /** Runs a job with a folder for its temporary files, which is deleted afterwards. */
  async working<T>(job: (work: WorkFolder) => Promise<T>): Promise<T> {
    if (!this.swept) {
      this.swept = true;
      await sweepWorkFolders(this.fs, this.layout);
    }
    const work = await makeWorkFolder(this.fs, this.layout);
    try {
      return await job(work);
    } finally {
      // What cannot be deleted now is swept once this process has ended.
      await work.remove().catch(() => undefined);
    }
  }

  /** Runs a job while holding the store's lock. */
  async locked<T>(work: WorkFolder, signal: AbortSignal, job: () => Promise<T>): Promise<T> {
    const giveBack = await takeLock(this.fs, this.layout.lock, work, signal);
    try {
      return await job();
    } finally {
      await giveBack();
    }
  }
}
