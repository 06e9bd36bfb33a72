import { loadAddon, type NativeSequence } from '@mobillm/core/native';
import { packageRoot } from '#package-root';

/**
 * The one file that knows the addon: what its C++ side (`native/*_handle.cpp`) offers, as types.
 * Everything throws and rejects with errors that `fromNative` reads. The addon holds none of
 * Qualcomm's code: it opens the libraries that it is given the paths of.
 */
export interface QnnAddon {
  /** Names the two libraries; `load()` opens them. */
  readonly Library: new (options: NativeLibraryOptions) => NativeLibrary;
  /** Prepares the compilation of a model into a context binary. */
  readonly Compilation: new (
    library: NativeLibrary,
    options: NativeCompileOptions,
  ) => NativeCompilation;
  /** Prepares a model. */
  readonly Model: new (library: NativeLibrary, options: NativeOpenOptions) => NativeModel;
  /** Sends the libraries' log to a function until it is closed. */
  readonly LogSink: new (least: LogLevel, log: LogFunction) => { close(): void };
}

/** How much a log line matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Receives a line of the libraries' log, without its line end. */
export type LogFunction = (level: LogLevel, text: string) => void;

/** Where Qualcomm's libraries are. */
export interface NativeLibraryOptions {
  /** Path of `libQnnHtp.so`. */
  readonly backend: string;
  /** Path of `libQnnSystem.so`, which reads context binaries without loading them. */
  readonly system: string;
}

/** The opened libraries; models and compilations made of them keep them open. */
export interface NativeLibrary {
  /**
   * Opens both on a thread of its own. To be called once, before anything else. Rejects with
   * `FILE_NOT_FOUND`, or `ADDON_INCOMPATIBLE` for another processor, another API version or a
   * library that is not QNN's.
   */
  load(): Promise<NativeLibraryFacts>;
  /**
   * What a context binary says of itself. Only what has the recorded size and sha256 is read:
   * QNN's own reader ends the process over some damaged files. Rejects with `FILE_NOT_FOUND`,
   * `INTEGRITY_FAILED`, `MODEL_INVALID`.
   */
  inspect(binary: NativeBinaryFile): Promise<NativeBinaryInfo>;
  /** Gives its share up; may be called twice. Models and compilations are closed before. */
  close(): Promise<void>;
}

/** What the libraries say of themselves and of the device. */
export interface NativeLibraryFacts {
  /** `HTP_QTI_AISW`. */
  readonly provider: string;
  /** Build of the back end: `v2.51.0.260929181845`. */
  readonly buildId: string;
  /** Version of the core API: `2.40.0`. */
  readonly coreApi: string;
  /** Version of the back end's own API: `5.51.0`. */
  readonly backendApi: string;
  /** Version of the system library's API: `1.15.0`. */
  readonly systemApi: string;
  /** What computes; empty where the library names none. */
  readonly devices: readonly NativeDevice[];
  /** Whether this is the emulator of the x86 library, and no Hexagon processor. */
  readonly emulated: boolean;
}

/** A device of the back end. */
export interface NativeDevice extends NativeTarget {
  readonly id: number;
  /** Tightly coupled memory, in MiB. */
  readonly vtcmMb: number;
}

/** A chip: Qualcomm's number of it (57 is SM8650) and its Hexagon version (75 is V75). */
export interface NativeTarget {
  readonly socModel: number;
  readonly htpArch: number;
}

/** A context binary and what its manifest records of it. */
export interface NativeBinaryFile {
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** What `QnnSystem` reads in a context binary. */
export interface NativeBinaryInfo {
  /** 6 for HTP. */
  readonly backendId: number;
  readonly buildId: string;
  readonly coreApi: string;
  readonly backendApi: string;
  /** Version of the binary's own layout. */
  readonly blobVersion: string;
  /** What it was made for; 0 where the file does not say. */
  readonly socModel: number;
  readonly graphs: readonly {
    readonly name: string;
    readonly inputs: readonly NativeTensorInfo[];
    readonly outputs: readonly NativeTensorInfo[];
  }[];
}

/** A graph's tensor. */
export interface NativeTensorInfo {
  readonly name: string;
  /** `f16`, `f32`, `i32`, `ufixed16`, …; `0x…` for a number that is not known. */
  readonly dtype: string;
  readonly dimensions: readonly number[];
  /** For per-tensor quantization: real = (stored + offset) × scale. */
  readonly quantization?: { readonly scale: number; readonly offset: number };
}

/** The numbers of a Llama architecture that its graphs are made of. */
export interface NativeShape {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headLength: number;
  readonly vocabularySize: number;
}

/** A graph: so many tokens a call. */
export interface NativeGraph {
  readonly name: string;
  /** At least 1, less than the context. */
  readonly tokens: number;
}

/** A tensor in a GGUF file. */
export interface NativeWeight {
  /** From the file's beginning, in bytes. */
  readonly offset: number;
  /** ggml's number of the type. */
  readonly type: number;
  /** As GGUF has it: the length of a row first. */
  readonly shape: readonly number[];
}

/** A Llama model's tensors in a GGUF file. */
export interface NativeWeights {
  readonly tokenEmbedding: NativeWeight;
  readonly outputNorm: NativeWeight;
  /** Left out where the embedding serves for it. */
  readonly output?: NativeWeight;
  /** One entry a layer. */
  readonly layers: readonly {
    readonly attentionNorm: NativeWeight;
    readonly query: NativeWeight;
    readonly key: NativeWeight;
    readonly value: NativeWeight;
    readonly attentionOutput: NativeWeight;
    readonly feedForwardNorm: NativeWeight;
    readonly gate: NativeWeight;
    readonly up: NativeWeight;
    readonly down: NativeWeight;
  }[];
}

/** What is to be compiled, for what, and where to. */
export interface NativeCompileOptions {
  /** Path of the GGUF file. */
  readonly source: string;
  readonly weights: NativeWeights;
  /** How the rows of Q and K lie in the file; the graphs rotate halves (`neox`). */
  readonly weightPairing: 'interleaved' | 'neox';
  readonly shape: NativeShape;
  readonly rmsEpsilon: number;
  readonly contextTokens: number;
  /** Names differ; one of them has `tokens` 1. */
  readonly graphs: readonly NativeGraph[];
  /** Qualcomm's number of the chip to compile for; the library's own choice without it. */
  readonly socModel?: number;
  /** Keeps one copy of weights that several graphs use. Needs V73 or later. */
  readonly shareWeights: boolean;
  /** File to write; replaced if it is there, removed again on a failure. */
  readonly output: string;
  /** Told what is done and the share of the whole, from 0 to 1, never falling. */
  readonly onProgress?: (step: string, share: number) => void;
}

/** A compilation. */
export interface NativeCompilation {
  /**
   * To be called once. Rejects with `MODEL_UNSUPPORTED` where the back end refuses a part of the
   * graph, `OUT_OF_MEMORY`, `IO_FAILED`, and an error of code `ABORTED` after `abort()`.
   */
  run(): Promise<NativeCompiled>;
  /** Ends it between two nodes or graphs: what the library itself does at a stretch is not cut short. */
  abort(): void;
  /** Waits for its thread; may be called twice. */
  close(): Promise<void>;
}

/** What a compilation made. */
export interface NativeCompiled extends NativeMadeWith {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** By graph, in the order of the options: number of nodes and seconds in the library's finalizer. */
  readonly graphs: readonly {
    readonly name: string;
    readonly nodes: number;
    readonly finalizeSeconds: number;
  }[];
}

/** What made a context binary; part of the model's manifest. */
export interface NativeMadeWith extends NativeTarget {
  readonly buildId: string;
  readonly coreApi: string;
  readonly backendApi: string;
}

/** What a model is opened with: the manifest's own words, which are checked against the binary. */
export interface NativeOpenOptions {
  readonly binary: NativeBinaryFile;
  readonly madeWith: NativeMadeWith;
  readonly shape: NativeShape;
  readonly ropeBase: number;
  /** Factor on positions before the rotation: 1 for none. */
  readonly ropeScale: number;
  /** Context that the graphs were made for. */
  readonly compiledContextTokens: number;
  readonly graphs: readonly NativeGraph[];
  /** Context of one sequence; `compiledContextTokens` at most. */
  readonly contextTokens: number;
  /** Sequences that may be open at once; each has its cache in ordinary memory. */
  readonly sequences: number;
  readonly onProgress?: (share: number) => void;
}

/** What is known of a loaded model. */
export interface NativeModelFacts {
  /** What computes it. */
  readonly target: NativeTarget;
  /** Bytes of one sequence's cache. */
  readonly kvBytes: number;
  /** Bytes of all graphs' input and output buffers. */
  readonly bufferBytes: number;
}

/** A model: context, graphs and the thread that computes. */
export interface NativeModel {
  /**
   * To be called once; nothing else but `abortLoad` and `close` before it resolves. Rejects with
   * `FILE_NOT_FOUND`, `INTEGRITY_FAILED` (size or sha256 differ), `MODEL_INVALID`,
   * `MODEL_UNSUPPORTED` (another back end, chip or version), `OUT_OF_MEMORY`, `NATIVE_FAILURE`.
   */
  load(): Promise<NativeModelFacts>;
  abortLoad(): void;
  /** Throws `BUSY` when all are in use. */
  createSequence(): NativeSequence;
  /** To be called once. */
  close(): Promise<void>;
}

const expects = [
  'Library',
  'Compilation',
  'Model',
  'LogSink',
] as const satisfies readonly (keyof QnnAddon)[];

/**
 * Loads the addon; Qualcomm's libraries are opened by {@link NativeLibrary.load}. `addon` is the
 * option of the engine's factory.
 *
 * @throws MobillmError `ADDON_NOT_FOUND`, `ADDON_INCOMPATIBLE`.
 */
export async function loadQnnAddon(addon?: string | object): Promise<QnnAddon> {
  const loaded = await loadAddon({
    name: 'mobillm_qnn',
    packageName: '@mobillm/engine-qnn',
    packageRoot,
    buildCommand: 'npm rebuild @mobillm/engine-qnn',
    expects,
    variable: 'MOBILLM_QNN_ADDON',
    ...(addon !== undefined && { addon }),
  });
  return loaded.exports as unknown as QnnAddon;
}
