/** Makes sure that the wheels of the model compiler are in the cache. */
export function ensureMlcCompiler(options?: {
  /** Program to run, instead of looking for one. */
  readonly python?: string;
  /** Told what takes time, in a few words. */
  readonly onStep?: (what: string) => void;
  readonly signal?: AbortSignal;
}): Promise<{
  /** The Python program to run. */
  readonly python: string;
  /** Folder of the installed wheels, for PYTHONPATH. */
  readonly packages: string;
}>;
