/** Why a machine cannot run the emulator, as a sentence; `undefined` where it can. */
export function whyNoEmulator(machine?: {
  readonly platform: string;
  readonly arch: string;
  readonly glibc?: string;
}): string | undefined;

/** Folder of the emulator's libraries; downloads and checks what is not in the cache yet. */
export function ensureQnnEmulator(options?: {
  readonly onProgress?: (progress: {
    readonly phase: 'downloading' | 'unpacking';
    readonly doneBytes: number;
    readonly totalBytes: number;
  }) => void;
  readonly signal?: AbortSignal;
}): Promise<string>;

/** The same, telling its progress on standard error. */
export function ensureQnnEmulatorAloud(signal?: AbortSignal): Promise<string>;
