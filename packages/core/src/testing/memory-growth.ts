/** Memory of a program that does one thing over and over, as it prints it in JSON. */
export interface MemoryReading {
  /** Resident bytes after a fifth of the cycles, when pools and caches are filled. */
  readonly settledBytes: number;
  /** Resident bytes at the end. */
  readonly endBytes: number;
  /** Threads at the end beyond those after a fifth of the cycles. */
  readonly threads?: number;
  /** Open files at the end beyond those after a fifth of the cycles. */
  readonly files?: number;
}

/**
 * Runs a program that prints a {@link MemoryReading}, in a process of its own. Node alone.
 *
 * @param program an executable, or the file URL of a JavaScript module, whose garbage can then be
 * collected by `globalThis.gc()`
 */
export async function readMemory(
  program: string | URL,
  args: readonly string[],
): Promise<MemoryReading> {
  const { execFileSync } = await import('node:child_process');
  const { fileURLToPath } = await import('node:url');
  // V8's young generation grows with what is allocated in it; glibc keeps a pool of freed memory for each of
  // many threads, and puts ever larger blocks among small ones, between which they are not given back. All
  // are held small, so that what grows is a leak.
  const [file, ...flags] =
    typeof program === 'string'
      ? [program]
      : [process.execPath, '--expose-gc', '--max-semi-space-size=1', fileURLToPath(program)];
  const output = execFileSync(file, [...flags, ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      ...{
        MALLOC_ARENA_MAX: '1',
        MALLOC_MMAP_THRESHOLD_: '65536',
        MALLOC_TRIM_THRESHOLD_: '65536',
      },
    },
  });
  return JSON.parse(output) as MemoryReading;
}

/** Bytes that memory grew by from a fifth of the cycles to the end. */
export function memoryGrowth({ settledBytes, endBytes }: MemoryReading): number {
  return endBytes - settledBytes;
}
