import type { SettingSource } from '@mobillm/core';
import { loadAddon, type NativeAdapter, type NativeSequence } from '@mobillm/core/native';
import { packageRoot } from '#package-root';
import type {
  NativeRequantizedFile,
  NativeRequantizeOptions,
  NativeTextScorer,
  NativeTextScorerOptions,
} from './optimize/native.js';

/**
 * The one file that knows the addon: what its C++ side (`native/*_handle.cpp`) offers, as types.
 * Everything throws and rejects with errors that `fromNative` reads.
 */
export interface LlamaCppAddon {
  /** Makes the library ready, once a process; `backendFolder` is where its back ends may lie. */
  initialize(backendFolder: string): void;
  /** What the library says of itself and of the machine. */
  describe(): NativeDescription;
  /** What this machine can compute on, and its memory now; the CPU behind what is faster. */
  devices(): readonly NativeDevice[];
  /** Processors of this machine, or of the one whose system files lie below the folder `root`. */
  processors(root: string): NativeProcessors;
  /** Whether the library has a back end: `cuda`, `hexagon`, `metal`, `opencl`, `rpc`, `vulkan`. */
  hasBackend(name: string): boolean;
  /**
   * Asks a server on another machine for its devices. That it answers there, and in this version's words,
   * has to be known: the process ends otherwise.
   */
  readonly RpcDevices: new (options: {
    /** `host:port`. */
    readonly endpoint: string;
    /** Milliseconds until it is given up; the library then goes on waiting, on a thread left behind. */
    readonly limitMs: number;
  }) => NativeRpcDevices;
  /**
   * Serves devices of this machine by id, or all that are worth it where none is named. Blocks its
   * thread for good; returns, with `false`, only where it could not listen.
   */
  serveRpc(endpoint: string, devices: readonly string[], threads: number): boolean;
  /** Loads a back end from its file in a folder. */
  loadBackend(name: string, folder: string): NativeBackendLoad;
  /** Whether the library can run an architecture of that GGUF name. */
  knowsArchitecture(name: string): boolean;
  /** Opens a file for synchronous reads of its header. */
  readonly File: new (path: string) => NativeFile;
  /** Prepares an estimate. */
  readonly Estimate: new (options: NativeEstimateOptions) => NativeEstimate;
  /** Prepares a model. */
  readonly Model: new (options: NativeOpenOptions) => NativeModel;
  /** Prepares a model that texts are scored with. */
  readonly TextScorer: new (options: NativeTextScorerOptions) => NativeTextScorer;
  /** Prepares a model file in other number formats. */
  readonly RequantizedFile: new (options: NativeRequantizeOptions) => NativeRequantizedFile;
  /** Sends the library's log to a function until it is closed. */
  readonly LogSink: new (least: LogLevel, log: LogFunction) => { close(): void };
}

/** How much a log line matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Receives a line of the library's log, without its line end. */
export type LogFunction = (level: LogLevel, text: string) => void;

/** What {@link LlamaCppAddon.describe} tells. */
export interface NativeDescription {
  /** `llama.cpp 0.5.0 (CPU: AVX2, …)`. */
  readonly library: string;
  /** Commit of the library's source; empty where it is not known. */
  readonly build: string;
  /** Processors that this process may use. */
  readonly processors: number;
}

/** A server's devices, asked for on a thread of their own. */
export interface NativeRpcDevices {
  /** To be called once. */
  list(): Promise<readonly NativeDevice[]>;
  /** Ends the waiting, with `ABORTED`. */
  abort(): void;
  close(): void;
}

/** Processors by their numbers. */
export interface NativeProcessors {
  /** Those that this process may use; empty where the system does not tell. */
  readonly allowed: readonly number[];
  /** Of these, those of fast cores. */
  readonly fast: readonly number[];
  /** Cores that the fast ones belong to. */
  readonly fastCores: number;
  /** Whether the machine has slower cores, too. */
  readonly mixed: boolean;
}

/** What came of loading a back end. */
export interface NativeBackendLoad {
  /** File that was looked for. */
  readonly path: string;
  readonly outcome: 'loaded' | 'missing' | 'refused';
  /** For `refused`: what the system or the library said. */
  readonly reason: string;
}

/** Something to compute on; see `Device`. */
export interface NativeDevice {
  readonly id: string;
  readonly kind: 'cpu' | 'gpu' | 'npu' | 'accelerator';
  readonly name: string;
  readonly backend: string;
  readonly memoryTotalBytes?: number;
  readonly memoryFreeBytes?: number;
  readonly ownMemory?: boolean;
}

/** A file under synchronous reading. */
export interface NativeFile {
  readonly byteLength: number;
  /** Time of its last change, in seconds of the file system's own clock. */
  readonly modifiedAt: number;
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** A file whose header was checked, and what it was then: it is loaded only if it still is. */
export interface NativeCheckedFile {
  readonly path: string;
  readonly fileBytes: number;
  /** As {@link NativeFile.modifiedAt}. */
  readonly modifiedAt: number;
  /** Whether it is the first of several parts. */
  readonly split: boolean;
}

/** What a context is made with. */
export interface NativeContextOptions {
  readonly contextTokens: number;
  /** Tokens of all sequences together; counts as `contextTokens` at least. */
  readonly poolTokens: number;
  readonly sequences: number;
  readonly batchTokens: number;
  readonly flashAttention: 'auto' | 'on' | 'off';
  readonly keyType: string;
  readonly valueType: string;
  /** Whether the model generates; otherwise its context is for vectors alone. */
  readonly generates: boolean;
  /** Whether steps may have guessed tokens in them: not those of a draft model itself. */
  readonly guesses: boolean;
  /** Longest text that a generating model's estimate has room for vectors of; 0 for none. */
  readonly embedTokens: number;
}

/** Which devices are to hold which part of a model. */
export interface NativeOffload {
  /** None for the CPU alone; the first one gets the first layers. */
  readonly devices: readonly {
    readonly id: string;
    readonly share: number;
    /** Memory that may be used there; as much as is free, less a reserve, where it is not given. */
    readonly mostBytes?: number;
  }[];
  /** Layers that go to them; −1 for as many as fit, −2 for all. */
  readonly gpuLayers: number;
  /** Whether weights may be laid out anew for the CPU. */
  readonly repack: boolean;
}

/** What is left to the engine for being fast. */
export interface NativeTuningOptions {
  /** 0: as many as are fast. */
  readonly threads: number;
  readonly affinity: 'auto' | 'off' | 'big';
  readonly calibrate: 'auto' | 'on' | 'off';
  /** Empty for the folder that the environment names. */
  readonly calibrationFolder: string;
}

/** A checked file and what its header says. */
export interface NativeModelFile extends NativeCheckedFile {
  readonly architecture: string;
  readonly vocabularySize: number;
  readonly modelLayers: number;
  readonly attentionHeads: number;
}

/** What an estimate is made of. */
export interface NativeEstimateOptions
  extends NativeContextOptions, NativeModelFile, NativeOffload, NativeTuningOptions {
  /** A smaller model that guesses ahead. */
  readonly draft?: NativeModelFile;
}

/** Memory of one device by what it is for. */
export interface NativeDeviceMemory {
  readonly device: string;
  readonly weightsBytes: number;
  readonly kvCacheBytes: number;
  readonly computeBytes: number;
  readonly outputBytes: number;
}

/** What {@link NativeEstimate} finds. */
export interface NativeEstimated {
  /** The model and its draft model together. */
  readonly devices: readonly NativeDeviceMemory[];
  /** Whether all of it comes from the library itself, but for a constant that CUDA takes on the side. */
  readonly exact: boolean;
  /** The first layers first. */
  readonly layersByDevice: Readonly<Record<string, number>>;
  /** As {@link NativeOffload} counts, but never −1. */
  readonly gpuLayers: number;
}

/** An estimate under way. */
export interface NativeEstimate {
  /** To be called once. */
  run(): Promise<NativeEstimated>;
  abort(): void;
  close(): void;
}

/** What a model is opened with. */
export interface NativeOpenOptions
  extends NativeContextOptions, NativeModelFile, NativeOffload, NativeTuningOptions {
  /** A smaller model that guesses ahead. */
  readonly draft?: NativeModelFile;
  readonly weights: 'mapped' | 'copied' | 'locked';
  readonly onProgress?: (share: number) => void;
}

/** What is known of a loaded model. */
export interface NativeModelFacts {
  readonly architecture: string;
  /** Empty where the file holds none. */
  readonly name: string;
  /** Empty where the file holds none. */
  readonly chatTemplate: string;
  /** How a query and a document are put together; empty where the file does not say. */
  readonly rerankTemplate: string;
  readonly trainedContextTokens: number;
  readonly contextTokens: number;
  readonly poolTokens: number;
  readonly layersByDevice: Readonly<Record<string, number>>;
  readonly parameterCount: number;
  readonly weightBytes: number;
  readonly embeddingLength: number;
}

/** See `Tuning`. */
export interface NativeTuning {
  readonly threads: SettingSource;
  readonly flashAttention: boolean;
  readonly flashAttentionSource: SettingSource;
  readonly flashAttentionMeasured?: boolean;
  /** Empty where the system chooses. */
  readonly processors: readonly number[];
  readonly calibrating: boolean;
}

/** Tokens of several texts, those of one behind those of the other. */
export interface NativeTokenRows {
  readonly tokens: Int32Array;
  /** Where the row of each text ends in `tokens`. */
  readonly ends: Int32Array;
}

/** A model: weights, context and the thread that computes. */
export interface NativeModel {
  readonly threads: number;
  readonly tuning: NativeTuning;
  /** To be called once; nothing else but `abortLoad` and `close` before it resolves. */
  load(): Promise<NativeModelFacts>;
  abortLoad(): void;
  vocabulary(): {
    readonly size: number;
    readonly bosToken?: number;
    readonly eosToken?: number;
    readonly addsBosToken: boolean;
    /** What stands between two texts that are read together. */
    readonly separatorTokens: Int32Array;
    readonly endTokens: Int32Array;
    readonly specialTokens: readonly { readonly token: number; readonly text: string }[];
  };
  encode(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  /** On several threads, which this call waits for. */
  encodeBatch(
    texts: readonly string[],
    addSpecial: boolean,
    parseSpecial: boolean,
  ): NativeTokenRows;
  /** On other threads than the caller's; `abort` is looked at between two texts. */
  encodeAsync(
    texts: readonly string[],
    addSpecial: boolean,
    parseSpecial: boolean,
  ): { readonly rows: Promise<NativeTokenRows>; abort(): void };
  decode(tokens: Int32Array, showSpecial: boolean): string;
  tokenBytes(token: number, showSpecial: boolean): Uint8Array;
  createSequence(): NativeSequence;
  /** Texts of `lengths` tokens, one after another in `tokens`. One at a time is computed. */
  createEmbedding(
    tokens: Int32Array,
    lengths: Int32Array,
    pooling: 'mean' | 'cls' | 'last' | 'rank',
    adapters: readonly NativeAdapter[],
    scales: readonly number[],
  ): NativeEmbedding;
  /** Loads an adapter whose header was checked, and whose tensors take so much of each device. */
  loadAdapter(
    file: NativeCheckedFile,
    devices: readonly { readonly device: string; readonly bytes: number }[],
  ): Promise<NativeAdapter>;
  /** What it takes now, as the library has allocated it; the buffer of the output is not told. */
  memory(): Promise<readonly NativeDeviceMemory[]>;
  /** 0 leaves a lever as it is. */
  adjust(threads: number, batchTokens: number): Promise<void>;
  /** To be called once. */
  close(): Promise<void>;
}

/** Texts that vectors, or scores, are computed of. */
export interface NativeEmbedding {
  /** Computes a part; resolves with how many tokens are done. Not before the last one has settled. */
  step(): Promise<number>;
  /** After all tokens: a row a text, one after another. */
  rows(): Float32Array;
  /** Ends the step that runs, and all later ones, with `ABORTED`. */
  abort(): void;
}

const expects = [
  'initialize',
  'describe',
  'devices',
  'processors',
  'hasBackend',
  'loadBackend',
  'RpcDevices',
  'serveRpc',
  'knowsArchitecture',
  'File',
  'Estimate',
  'Model',
  'TextScorer',
  'RequantizedFile',
  'LogSink',
] as const satisfies readonly (keyof LlamaCppAddon)[];

/** Package that the addon belongs to. */
export const packageName = '@mobillm/engine-llamacpp';

/**
 * Loads the addon and makes the library ready. `addon` is the option of the engine's factory.
 *
 * @returns the addon, and the folder of its file; empty where it has none.
 * @throws MobillmError `ADDON_NOT_FOUND`, `ADDON_INCOMPATIBLE`.
 */
export async function loadLlamaCppAddon(
  addon?: string | object,
): Promise<{ readonly addon: LlamaCppAddon; readonly folder: string }> {
  const loaded = await loadAddon({
    name: 'mobillm_llamacpp',
    packageName,
    packageRoot,
    buildCommand: `npm rebuild ${packageName}`,
    expects,
    variable: 'MOBILLM_LLAMACPP_ADDON',
    ...(addon !== undefined && { addon }),
  });
  const exports = loaded.exports as unknown as LlamaCppAddon;
  exports.initialize(loaded.folder);
  return { addon: exports, folder: loaded.folder };
}
