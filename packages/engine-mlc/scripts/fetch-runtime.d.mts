/** Makes sure that the TVM runtime is in the cache, and gives its folder. */
export function ensureMlcRuntime(options?: {
  /** Told what takes time, in a few words. */
  readonly onStep?: (what: string) => void;
  readonly signal?: AbortSignal;
}): Promise<string>;

/** As {@link ensureMlcRuntime}, telling its steps on standard error. */
export function ensureMlcRuntimeAloud(signal?: AbortSignal): Promise<string>;
