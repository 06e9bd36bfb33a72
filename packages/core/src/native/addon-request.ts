/** What an engine asks of {@link loadAddon}. */
export interface AddonRequest {
  /** Name of the addon's file without `.node`: `mobillm_llamacpp`. */
  readonly name: string;
  /** Package that the addon belongs to: `@mobillm/engine-llamacpp`. */
  readonly packageName: string;
  /** Folder of that package, where its own build lies; `undefined` where there is none (a phone). */
  readonly packageRoot: string | undefined;
  /** Command that builds the addon, for the error's sentence. */
  readonly buildCommand: string;
  /** Names that the addon has to export; one that lacks any is of another version. */
  readonly expects: readonly string[];
  /** Environment variable that names an addon's file and goes before all but `path`. */
  readonly variable: string;
  /** File to load and no other; or, where there are no files, the loaded addon itself. */
  readonly addon?: string | object;
}

/** An addon that was found and loaded. */
export interface LoadedAddon {
  /** What it exports. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** Its file; `undefined` where it was linked into the application. */
  readonly path: string | undefined;
  /** Folder of that file, in which libraries may lie that it loads by name; empty without a file. */
  readonly folder: string;
}
