import type { HardwareProfile } from '../hardware/hardware-profile.js';
import type { ModelDescription } from '../store/model-description.js';
import type { ModelFiles, ModelFormat } from '../store/model-files.js';

/** What compiling a model would take. */
export interface CompileEstimate {
  /** Wall time in seconds, a rough figure for this machine. */
  readonly seconds: number;
  /** Size of what is written, in bytes. */
  readonly outputBytes: number;
  /** Memory needed while it compiles, in bytes. */
  readonly peakMemoryBytes: number;
}

/** How far a compilation has come. */
export interface CompileProgress {
  /** What is being done now, in a few words: `converting weights`. */
  readonly step: string;
  /** Share of the whole that is done, from 0 to 1, never falling. */
  readonly share: number;
}

/** Options of {@link ModelCompiler.compile}. */
export interface CompileOptions {
  /**
   * Folder that the compiled model goes to; made if it is missing. Everything is written aside and
   * put in place at the end, so that it never holds half a model. What a former compilation of the
   * same source left there, with the same options, is returned as it is.
   */
  readonly folder: string;
  /** Options that this compiler alone has, as its factory documents them. */
  readonly compilerOptions?: Readonly<Record<string, unknown>>;
  /** Stops it; the promise then rejects with the signal's reason and nothing stays behind. */
  readonly signal?: AbortSignal;
  /** Told what is being done, at least once a second, and a share of 1 at the end. */
  readonly onProgress?: (progress: CompileProgress) => void;
}

/** Makes, from the files of one format, files that another engine opens. */
export interface ModelCompiler {
  /** Short name: `mlc`. */
  readonly name: string;
  /** Formats that it starts from. */
  readonly from: readonly ModelFormat[];
  /** Format that it makes. */
  readonly to: ModelFormat;
  /** What compiling would take, from the description alone; nothing is read. */
  estimate(description: ModelDescription, hardware: HardwareProfile): CompileEstimate;
  /**
   * Compiles a model; its lineage stays that of the source.
   *
   * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`; `MODEL_UNSUPPORTED` for a format, an
   * architecture or a weight type that it does not know; `UNSUPPORTED` for a target that it does not
   * know, or where a tool that it needs is missing, with how to get it; `INTEGRITY_FAILED` when the
   * source is changed meanwhile; `IO_FAILED`; `NATIVE_FAILURE` with the tool's own words.
   * @throws InvalidArgument for a bad option.
   */
  compile(files: ModelFiles | string, options: CompileOptions): Promise<ModelFiles>;
}
