import type { AppliedAdapter } from '../kv/kv-snapshot.js';

/** Something that an engine can compute on. */
export interface Device {
  /** Name that options use to choose it, unique in its engine: `cpu`, `vulkan0`, `htp0`. */
  readonly id: string;
  /** What it is. */
  readonly kind: 'cpu' | 'gpu' | 'npu' | 'accelerator';
  /** What people call it: `AMD EPYC`, `Adreno 750`, `Hexagon V75`. */
  readonly name: string;
  /** What of the engine's library runs it, where there are several: `CPU`, `CUDA`, `RPC`. */
  readonly backend?: string;
  /** Its memory in all, in bytes, where it can be asked. */
  readonly memoryTotalBytes?: number;
  /** Memory free at the time of asking, in bytes, where it can be asked. */
  readonly memoryFreeBytes?: number;
  /**
   * Whether that memory is the device's own, as that of a graphics card or of another machine is: what
   * lies there takes none of this machine's. Default false.
   */
  readonly ownMemory?: boolean;
}

/**
 * Where a setting comes from that is the engine's to choose: the user's word (`given`), the engine's
 * usual choice (`default`), a measurement by this process or an earlier one (`measured`, `cached`), what
 * other options leave (`required`), or others that use the processors just now (`contention`).
 */
export type SettingSource = 'given' | 'default' | 'measured' | 'cached' | 'required' | 'contention';

/** How the settings of a model came about that make it fast and change nothing else. */
export interface Tuning {
  /** Where the threads of the placement come from. */
  readonly threads: SettingSource;
  /** The kind of attention, fixed at opening. */
  readonly flashAttention: {
    /** Whether it is computed block by block, and not with a matrix of scores. */
    readonly value: boolean;
    /** Where that comes from. */
    readonly source: SettingSource;
    /**
     * Which one was found faster on this device, where that was measured; the next opening takes it,
     * unless it would take too much memory.
     */
    readonly measured?: boolean;
  };
  /** Numbers of the processors that threads are kept to; absent where the system chooses. */
  readonly processors?: readonly number[];
  /** Whether something is still to be measured, once the model has answered and rests. */
  readonly calibrating: boolean;
}

/** Proof of what ran where; part of every result. */
export interface Placement {
  /** Engine: `llamacpp`. */
  readonly engine: string;
  /** Version of this SDK's engine package. */
  readonly engineVersion: string;
  /** Version and build of the library underneath: `llama.cpp 0.5.0 (CPU: AVX512, repack)`. */
  readonly library: string;
  /** Build of that library, as it says itself (a commit, a build number), where it says one. */
  readonly libraryBuild?: string;
  /** Layers by device id; their sum is the model's layer count. */
  readonly layersByDevice: Readonly<Record<string, number>>;
  /** Threads that decode. */
  readonly threads: number;
  /** sha256 of the weights file, where it is known. */
  readonly modelSha256: string | undefined;
  /** Adapters that were applied to the weights, and their scales; absent for none. */
  readonly adapters?: readonly AppliedAdapter[];
  /** Number format of cached keys: `f16`, `q8_0`. */
  readonly keyType: string;
  /** Number format of cached values. */
  readonly valueType: string;
  /** How settings came about, where the engine chooses any. */
  readonly tuning?: Tuning;
  /**
   * Where an engine made of two ran the phases of a generation; the other fields then say what
   * `decode` says.
   */
  readonly phases?: {
    /** What prefills prompts. */
    readonly prefill: Placement;
    /** What decodes. */
    readonly decode: Placement;
  };
}

/** Memory of one purpose on one device. */
export interface MemoryItem {
  /** What it is for. */
  readonly purpose: 'weights' | 'adapters' | 'kv-cache' | 'compute' | 'output';
  /** Id of the device that it lies on. */
  readonly device: string;
  /** Its size in bytes. */
  readonly bytes: number;
}

/** Memory that a model will take, by what it is for and where it lies. */
export interface MemoryEstimate {
  /** One row an item and device. */
  readonly items: readonly MemoryItem[];
  /** Sum of all rows. */
  readonly totalBytes: number;
  /**
   * `exact`: simulated by the library itself; `formula`: a part of it is computed from headers, or is an
   * upper bound.
   */
  readonly method: 'exact' | 'formula';
  /** Context that the estimate is for, in tokens. */
  readonly contextTokens: number;
  /**
   * Options of the engine that were left to it, as it chose them for this estimate: layers that a device
   * holds, for instance. Opened with them, the model takes what is said here even when other programs have
   * changed what is free. Absent where the engine chose none.
   */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
}
