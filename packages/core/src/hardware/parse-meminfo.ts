/** Readings of `/proc/meminfo`, in bytes. */
export interface Meminfo {
  /** Physical memory that the kernel manages. */
  readonly totalBytes?: number;
  /** What could be taken without swapping (kernels since 3.14). */
  readonly availableBytes?: number;
  /** Swap in all. */
  readonly swapTotalBytes?: number;
  /** Swap not in use. */
  readonly swapFreeBytes?: number;
}

/** Reads `/proc/meminfo`; the kernel's kB are 1024 bytes. */
export function parseMeminfo(text: string): Meminfo {
  const bytesOf = (name: string): number | undefined => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    return match === null ? undefined : Number(match[1]) * 1024;
  };
  const totalBytes = bytesOf('MemTotal');
  const availableBytes = bytesOf('MemAvailable');
  const swapTotalBytes = bytesOf('SwapTotal');
  const swapFreeBytes = bytesOf('SwapFree');
  return {
    ...(totalBytes === undefined ? {} : { totalBytes }),
    ...(availableBytes === undefined ? {} : { availableBytes }),
    ...(swapTotalBytes === undefined ? {} : { swapTotalBytes }),
    ...(swapFreeBytes === undefined ? {} : { swapFreeBytes }),
  };
}
