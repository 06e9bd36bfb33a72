import { loadAddon, type NativeSequence } from '@mobillm/core/native';
import { packageRoot } from '#package-root';
import type { TvmLibraries } from './libraries/library-names.js';

/**
 * The one file that knows the addon: what its C++ side (`native/*_handle.cpp`) offers, as types.
 * Everything throws and rejects with errors that `fromNative` reads. The addon holds no code of TVM: it
 * opens the libraries that it is given the paths of.
 */
export interface MlcAddon {
  /** Opens the libraries, once a process; later calls have to name the same. */
  initialize(libraries: TvmLibraries): NativeLibraryFacts;
  /** Prepares a model. */
  readonly Model: new (options: NativeOpenOptions) => NativeModel;
  /** Prepares a conversion of weights, which needs no library of TVM. */
  readonly WeightConverter: new (plan: NativeConversionPlan) => NativeWeightConverter;
}

/** A tensor of a GGUF file. */
export interface NativeWeightPart {
  /** For messages alone. */
  readonly name: string;
  /** Number of its format in GGUF files. */
  readonly type: number;
  /** Byte of the file. */
  readonly offset: number;
  readonly columns: number;
  readonly rows: number;
  /** Length of the heads whose rows are to be put in halves; 0 for the file's own order. */
  readonly rotatedHeadLength: number;
}

/** One matrix or vector of the compiled model: the rows of its parts, one after the other. */
export interface NativeWeight {
  readonly name: string;
  readonly kind: 'matrix' | 'vector';
  readonly parts: readonly NativeWeightPart[];
}

/** What is converted, and how. */
export interface NativeConversionPlan {
  /** Path of the GGUF file. */
  readonly source: string;
  /** Folder that the shards go to; it exists. */
  readonly folder: string;
  readonly quantization: 'f32' | 'q4f32';
  /** `tiles` for the kernels of our compiler, `rows` for TVM's own. */
  readonly layout: 'tiles' | 'rows';
  readonly weights: readonly NativeWeight[];
}

/** A file of `tensor-cache.json`, key for key. */
export interface NativeShardRecord {
  readonly dataPath: string;
  readonly format: 'raw-shard';
  readonly nbytes: number;
  readonly records: readonly NativeTensorRecord[];
  readonly md5sum: string;
}

/** A tensor of `tensor-cache.json`, key for key. */
export interface NativeTensorRecord {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly format: 'raw';
  readonly nbytes: number;
  readonly byteOffset: number;
}

/** A conversion of weights, on a thread of its own. */
export interface NativeWeightConverter {
  /** Share that is done, from 0 to 1. */
  readonly share: number;
  /** To be called once. What it has written stays behind when it fails. */
  run(): Promise<readonly NativeShardRecord[]>;
  abort(): void;
  /** To be called once. */
  close(): Promise<void>;
}

/** What the libraries say of themselves. */
export interface NativeLibraryFacts {
  /** `0.1.16`. */
  readonly ffiVersion: string;
  /** Build ids of the files; empty where they have none. */
  readonly ffiBuild: string;
  readonly runtimeBuild: string;
  /** Processors that this process may use. */
  readonly processors: number;
}

/** What a model is opened with. */
export interface NativeOpenOptions {
  /** Path of the model library. */
  readonly library: string;
  /** Empty where none is known. */
  readonly librarySha256: string;
  readonly threads: number;
  readonly contextTokens: number;
  readonly sequences: number;
  readonly batchTokens: number;
  readonly onProgress?: (share: number) => void;
}

/** A tensor in a shard, and which parameter of the model it is. */
export interface NativeCachedTensor {
  readonly parameter: number;
  readonly offset: number;
  /** As stored. */
  readonly bytes: number;
  readonly shape: readonly number[];
  /** As in memory. */
  readonly dtype: string;
  /** Stored as bf16, in memory as f32. */
  readonly fromBf16: boolean;
}

/** A file of weights. */
export interface NativeShard {
  readonly path: string;
  readonly bytes: number;
  /** Empty where none is recorded. */
  readonly md5: string;
  /** By offset. */
  readonly tensors: readonly NativeCachedTensor[];
}

/** What the weights are loaded by. */
export interface NativeWeightsOptions {
  readonly parameterCount: number;
  readonly shards: readonly NativeShard[];
  readonly vocabularySize: number;
  /** Most tokens of one step, as the model was compiled. */
  readonly chunkTokens: number;
  /** Left out where it is not known: then caches cannot be handed over. */
  readonly rope?: {
    readonly pairing: 'neox' | 'interleaved';
    readonly rotatedLength: number;
  };
}

/** A model: weights, executable code and the thread that computes. */
export interface NativeModel {
  readonly threads: number;
  /** Loads the code; gives what its compiler noted, as JSON. First, once. */
  loadLibrary(): Promise<string>;
  /** Loads the weights. Second, once; nothing else but `abortLoad` and `close` before it resolves. */
  loadWeights(options: NativeWeightsOptions): Promise<{
    /** Number format of cached keys and values, where the runtime tells it. */
    readonly kvType?: string;
  }>;
  abortLoad(): void;
  createSequence(): Promise<NativeSequence>;
  /** 0 leaves a lever as it is. */
  adjust(threads: number, batchTokens: number): Promise<void>;
  /** To be called once. */
  close(): Promise<void>;
}

const expects = [
  'initialize',
  'Model',
  'WeightConverter',
] as const satisfies readonly (keyof MlcAddon)[];

/**
 * Loads the addon. `addon` is the option of the engine's factory.
 *
 * @throws MobillmError `ADDON_NOT_FOUND`, `ADDON_INCOMPATIBLE`.
 */
export async function loadMlcAddon(addon?: string | object): Promise<MlcAddon> {
  const loaded = await loadAddon({
    name: 'mobillm_mlc',
    packageName: '@mobillm/engine-mlc',
    packageRoot,
    buildCommand: 'npm rebuild @mobillm/engine-mlc',
    expects,
    variable: 'MOBILLM_MLC_ADDON',
    ...(addon !== undefined && { addon }),
  });
  return loaded.exports as unknown as MlcAddon;
}
