import type { ModelStore, StoredModel, StoreJobOptions } from '@mobillm/core';

/** Options of {@link DeviceModelStore.pull}. */
export interface PullModelOptions extends StoreJobOptions {
  /** Name to keep it under; by default one that its source gives it. */
  readonly name?: string;
  /**
   * Further addresses of the same bytes, for a model of one file whose sha256 is known. The fastest is
   * asked most, and one that has other bytes is told to the store's `onProblem` and dropped.
   */
  readonly mirrors?: readonly string[];
  /** Connections at the same time, 1 to 8; 6 by default. */
  readonly connections?: number;
}

/** A store on a device, which downloads as well. */
export interface DeviceModelStore extends ModelStore {
  /**
   * Downloads a model and keeps it: what a pull that was ended left behind is taken up where it is,
   * also after a crash, and every byte is checked by its sha256 where the source tells that. A model
   * that is there already with that content is returned.
   *
   * `reference` is `https://…`, with `#sha256=…` at its end where the content is known, `file:…` or a
   * path, which is the same as {@link ModelStore.add}.
   *
   * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`, `MODEL_NOT_FOUND`, `INTEGRITY_FAILED` when the
   * content is not what the source says, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `MODEL_CONFLICT`, `IO_FAILED`.
   */
  pull(reference: string, options?: PullModelOptions): Promise<StoredModel>;
}
