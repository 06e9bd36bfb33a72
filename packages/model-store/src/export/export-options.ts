import type { StoreJobOptions } from '@mobillm/core';
import type { ManifestFile } from '../manifest/manifest.js';

/** Options of {@link DeviceModelStore.exportTo}. */
export interface ExportModelOptions extends StoreJobOptions {
  /**
   * Name that the model gets in Ollama: `name`, `name:tag`, `namespace/name:tag`. By default the one that it
   * was pulled by from there, else what Ollama's names allow of its name in the store.
   */
  readonly as?: string;
  /**
   * Folder of the app: Ollama's `models`, the cache `hub`. By default the one that the app uses, by its
   * environment variables.
   */
  readonly folder?: string;
  /** What to do where the app has another model of that name: `keep` it and fail (default), or `replace` it. */
  readonly existing?: 'keep' | 'replace';
  /** Template of Ollama's (in Go's language) for a model that has none; Ollama's own default otherwise. */
  readonly template?: string;
}

/** What {@link DeviceModelStore.exportTo} did. */
export interface ExportReport {
  /** Name by which the app knows the model: `smollm2:135m`, `owner/repo`. */
  readonly name: string;
  /** Commit in the cache of the hub; left out for Ollama. */
  readonly revision?: string;
  /** What became of each file of the model. */
  readonly files: readonly {
    /** Absolute path in the app's folder. */
    readonly path: string;
    /** `linked`: a second name of the same bytes; `present`: the app had the content. */
    readonly state: 'linked' | 'copied' | 'present';
  }[];
}

/** A file whose content is known by its sha256. */
export type HashedFile = ManifestFile & { readonly sha256: string };
