/**
 * What a device is and what of it is free, as plain data that survives `JSON.stringify`. A reading
 * that could not be taken is `undefined` and named in `unknown`; nothing is guessed here.
 */
export interface HardwareProfile {
  /** `linux`, `android` (also for a Linux inside Termux), `darwin`, `win32`, `browser`, `react-native`. */
  readonly os: string;
  /** Processor architecture as Node names it: `x64`, `arm64`; empty where it cannot be known. */
  readonly arch: string;
  /** The processor and what of it this process may use. */
  readonly cpu: CpuProfile;
  /** Memory of the machine and what of it this process may take. */
  readonly memory: MemoryProfile;
  /** The chip and the board, on devices that name them. */
  readonly soc?: SocProfile;
  /**
   * Readings that this device should have but that could not be taken, as paths into this object:
   * `cpu.clusters`, `memory.availableBytes`.
   */
  readonly unknown: readonly string[];
}

/** The processor and what of it this process may use. */
export interface CpuProfile {
  /** What people call it: `AMD EPYC`, `1 × Cortex-X4 + 5 × Cortex-A720 + 2 × Cortex-A520`. */
  readonly model?: string;
  /** Threads that the machine can run at once, SMT siblings counted each. At least 1. */
  readonly logicalCpus: number;
  /** Physical cores. */
  readonly cores?: number;
  /** Cores of one kind each, fastest first; empty where the kinds cannot be told. */
  readonly clusters: readonly CoreCluster[];
  /** Numbers of the logical CPUs that this process may run on (its affinity), ascending. */
  readonly allowedCpus?: readonly number[];
  /** Processor time that control groups grant this process, in CPUs: 1.5 is three halves. Absent where nothing limits it. */
  readonly quotaCpus?: number;
  /** Share of the machine's processor time that was idle while it was measured, 0 to 1. Only when asked for. */
  readonly idleShare?: number;
  /** Instruction sets that every core has and that speed up inference. */
  readonly features: readonly CpuFeature[];
}

/**
 * What a core is for. `prime` is the one or two fastest cores of a phone, `performance` are the other
 * fast ones, and every core of a uniform processor; `efficiency` cores slow down a computation that
 * is split evenly over all threads.
 */
export type CoreClass = 'prime' | 'performance' | 'efficiency';

/** Cores that are alike. */
export interface CoreCluster {
  /** What they are for. */
  readonly coreClass: CoreClass;
  /** Physical cores. */
  readonly cores: number;
  /** Numbers of the logical CPUs of each core: two where a core runs two threads. */
  readonly cpusByCore: readonly (readonly number[])[];
  /** Name of the design, where it is known: `Cortex-X4`. */
  readonly coreName?: string;
  /** Highest clock in kHz, where the system tells it. */
  readonly maxFrequencyKhz?: number;
  /** Speed at the highest clock as the kernel rates it, 1024 for the fastest core. */
  readonly capacity?: number;
}

/** An instruction set that matters to inference; `neon` is Arm's 128-bit SIMD in 32 and 64 bits. */
export type CpuFeature =
  | 'avx'
  | 'avx2'
  | 'fma'
  | 'f16c'
  | 'avx-vnni'
  | 'avx512'
  | 'avx512-vnni'
  | 'avx512-bf16'
  | 'amx-int8'
  | 'neon'
  | 'fp16'
  | 'bf16'
  | 'dotprod'
  | 'i8mm'
  | 'sve'
  | 'sve2'
  | 'sme'
  | 'sme2';

/** Memory of the machine and what of it this process may take. All sizes in bytes. */
export interface MemoryProfile {
  /** Physical memory that the system manages. */
  readonly totalBytes?: number;
  /** What programs could take now without swapping, caches that would be given up included. */
  readonly availableBytes?: number;
  /** Swap in all; zero where there is none. On a phone this is compressed memory, not a disk. */
  readonly swapTotalBytes?: number;
  /** Swap not in use. */
  readonly swapFreeBytes?: number;
  /** The tightest control group that this process is in, where one limits memory. */
  readonly cgroup?: CgroupMemory;
  /** What this process can take now: the least of `availableBytes` and `cgroup.availableBytes`. */
  readonly effectiveAvailableBytes?: number;
}

/** The control group with the least memory left, among this process's own and all above it. */
export interface CgroupMemory {
  /** Version of the control group interface. */
  readonly version: 1 | 2;
  /** Above this the kernel kills. */
  readonly limitBytes?: number;
  /** Above this the kernel throttles and reclaims (`memory.high`, version 2 alone). */
  readonly highBytes?: number;
  /** In use now, page cache included. */
  readonly usedBytes: number;
  /** Of that, page cache that the kernel gives up first (`inactive_file`). */
  readonly reclaimableBytes: number;
  /** The lower of both limits, less what is used and cannot be reclaimed; never below 0. */
  readonly availableBytes: number;
}

/** The chip and the board, as the device names them. */
export interface SocProfile {
  /** Who made the chip: `QTI`, `Mediatek`. */
  readonly vendor?: string;
  /** Part number: `SM8650`, `MT6989`. */
  readonly model?: string;
  /** Code name of the platform: `pineapple`. */
  readonly platform?: string;
  /** Number that Qualcomm's kernels give the chip, as text. */
  readonly socId?: string;
  /** Name of the board or the phone: `Raspberry Pi 5 Model B Rev 1.0`, `Xiaomi 23127PN0CC`. */
  readonly board?: string;
  /** Device tree names, most specific first: `raspberrypi,5-model-b`, `brcm,bcm2712`. */
  readonly compatible?: readonly string[];
}
