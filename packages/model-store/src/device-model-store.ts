import type {
  AddModelOptions,
  ModelDescription,
  ModelFileRole,
  ModelFormat,
  ModelOrigin,
  ModelStore,
  StoredModel,
  StoreJobOptions,
} from '@mobillm/core';
import type { PullControl } from './download/pull-control.js';
import type { ExportModelOptions, ExportReport } from './export/export-options.js';
import type { FitOptions, FittingChoice } from './fit/choose-fitting.js';
import type { ForeignApp, FoundModel } from './foreign/found-model.js';
import type {
  DeviceVerifyReport,
  PruneOptions,
  PruneReport,
  StoreVerifyReport,
  VerifyOptions,
} from './house/house-types.js';

/** Options of {@link DeviceModelStore.pull}. */
export interface PullModelOptions extends StoreJobOptions {
  /** Name to keep it under; by default one that its source gives it. */
  readonly name?: string;
  /**
   * Where the same bytes are as well: addresses, for a model of one file whose sha256 is known, or references
   * to other hubs (`modelscope:owner/repo`), which have to tell the same sha256. The fastest is asked most, and one
   * that has other bytes is told to the store's `onProblem` and left out.
   */
  readonly mirrors?: readonly string[];
  /**
   * Connections at the same time, 1 to 8; 4 by default. With more of them a crash may cost more than a mebibyte:
   * a quarter of one for each.
   */
  readonly connections?: number;
  /** Pauses the pull and lets it go on; made by `createPullControl`. */
  readonly control?: PullControl;
  /**
   * What becomes of a model that another app on this device holds already: `link` (default) uses it where it
   * lies; `move` takes it into the store, as a second name of the file or a copy, and the app keeps its own.
   */
  readonly placement?: 'link' | 'move';
  /** What the selection `auto` plans for; this device and llama.cpp by default. */
  readonly fit?: FitOptions;
  /** Told what the selection `auto` has chosen and why, before it is downloaded. */
  readonly onChosen?: (choice: FittingChoice) => void;
}

/** Options of {@link DeviceModelStore.describe}. */
export interface DescribeModelOptions {
  /** Stops it; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** What the selection `auto` plans for; this device and llama.cpp by default. */
  readonly fit?: FitOptions;
}

/** A model that is not in the store, as its headers and its source tell. */
export interface DescribedModel {
  /** Name that it would be pulled under. */
  readonly name: string;
  /** Layout of its files. */
  readonly format: ModelFormat;
  /** What its headers and configuration say. */
  readonly description: ModelDescription;
  /** Files that a pull would fetch, with what the source tells of them. */
  readonly files: readonly {
    /** Name, or path in the model's folder. */
    readonly fileName: string;
    /** What it is for. */
    readonly role: ModelFileRole;
    /** Size in bytes, where the source tells. */
    readonly fileBytes?: number;
    /** Lower-case hexadecimal, where the source tells. */
    readonly sha256?: string;
  }[];
  /** Where it is; its reference asks for exactly this model. */
  readonly origin: ModelOrigin;
  /** What the selection `auto` has chosen and why. */
  readonly choice?: FittingChoice;
  /** Bytes of its files that were fetched to tell this. */
  readonly fetchedBytes: number;
}

/** Options of {@link DeviceModelStore.discover}. */
export interface DiscoverOptions extends StoreJobOptions {
  /** Apps whose models are looked for; all by default. */
  readonly apps?: readonly ForeignApp[];
  /** Folders of the user with GGUF files in them, which are looked through to a depth of eight. */
  readonly folders?: readonly string[];
}

/** A store on a device, which downloads as well. */
export interface DeviceModelStore extends ModelStore {
  /**
   * Downloads a model and keeps it: what a pull that was ended left behind is taken up where it is,
   * also after a crash, and every byte is checked by its sha256 where the source tells that. A model
   * that is there already with that content is returned. Of an address without a sha256 the server is asked
   * whether it still has the same file, if it can be reached.
   *
   * `reference` is `hf:owner/repo`, `modelscope:owner/repo`, `ollama:name`, `https://…`, with `#sha256=…` at
   * its end where the content is known, `file:…` or a path, which is the same as `add`. A
   * repository may be followed by a selection: a quantization, a file, the name of a layout (`gguf`, `mlc`,
   * `genie`, `safetensors`), or `auto` for the quantization that fits this device.
   *
   * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`, `MODEL_NOT_FOUND`, `INTEGRITY_FAILED` when the
   * content is not what the source says, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `MODEL_CONFLICT`, `STORE_FULL`,
   * `OUT_OF_MEMORY` where `auto` finds nothing that fits, `IO_FAILED`.
   */
  pull(reference: string, options?: PullModelOptions): Promise<StoredModel>;

  /**
   * Tells what a model is before it is downloaded: by ranges of its files that hold headers, and by its
   * configuration. Weights are not fetched.
   *
   * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`, `MODEL_NOT_FOUND`, `MODEL_INVALID`,
   * `MODEL_UNSUPPORTED`; `OUT_OF_MEMORY` where `auto` finds nothing that fits; `FILE_NOT_FOUND` for a path.
   */
  describe(reference: string, options?: DescribeModelOptions): Promise<DescribedModel>;

  /**
   * Keeps a model when room is made for others, until `unpin`; returns it.
   *
   * @throws MobillmError `MODEL_NOT_FOUND`.
   */
  pin(name: string): Promise<StoredModel>;

  /**
   * Lets a model go again when room is needed; returns it.
   *
   * @throws MobillmError `MODEL_NOT_FOUND`.
   */
  unpin(name: string): Promise<StoredModel>;

  /**
   * Reads every file of a model and compares its sha256; with `repair`, what differs is fetched again where
   * the model was downloaded. Other names that a damaged file has in the store are mended with it, and
   * whoever has it open goes on with the old one.
   *
   * @throws MobillmError `MODEL_NOT_FOUND`; while something is fetched, as {@link DeviceModelStore.pull}.
   */
  verify(name: string, options?: VerifyOptions): Promise<DeviceVerifyReport>;

  /** The same of all models; one that cannot be looked at does not keep the others from it. */
  verifyAll(options?: VerifyOptions): Promise<StoreVerifyReport>;

  /**
   * Clears up. What dead processes left goes, downloads that were given up, and what no record names; then
   * models that the store owns, those that were used least lately first, until what is asked for is met.
   * Never those that are pinned, that a call under way needs, or that are linked.
   *
   * @throws MobillmError `IO_FAILED`.
   */
  prune(options?: PruneOptions): Promise<PruneReport>;

  /**
   * Finds the models that other apps hold on this device: Ollama, LM Studio, the caches of Hugging Face and
   * ModelScope, and folders of the user. Headers are read, and nothing else; what is damaged is told to the
   * store's `onProblem` and left out. Ordered by app, then by name.
   */
  discover(options?: DiscoverOptions): Promise<readonly FoundModel[]>;

  /**
   * Adds a model from a file, as `add` does, or one that {@link DeviceModelStore.discover}
   * found, also by its reference (`ollama:smollm2:135m`). Files of another app are used where they lie, never
   * written to and never deleted: `placement: 'move'` gives the store files of its own.
   *
   * @throws MobillmError as `add`, and `MODEL_NOT_FOUND` for a reference to a model that no
   * app here holds.
   */
  add(model: string | FoundModel, options?: AddModelOptions): Promise<StoredModel>;

  /**
   * Makes a model of the store appear in another app: `ollama`, which lists it then, or `hugging-face`, in
   * whose cache the hub's clients find it, also offline. Files get a second name there, or are copied where the
   * file system has none. Nothing of the app is overwritten, unless `existing` says so.
   *
   * @throws MobillmError `MODEL_NOT_FOUND`, `FILE_NOT_FOUND`, `MODEL_CONFLICT` when the app has another model
   * of that name, `MODEL_UNSUPPORTED` for a model that it has no place for, `IO_FAILED`.
   */
  exportTo(
    app: 'ollama' | 'hugging-face',
    name: string,
    options?: ExportModelOptions,
  ): Promise<ExportReport>;
}
