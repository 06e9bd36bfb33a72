/** One core of an Arm chip, as its files tell it. */
export interface ArmCoreSample {
  readonly implementer?: string;
  readonly part: string;
  readonly maxFrequencyKhz?: number;
  readonly capacity?: number;
}

/** `/proc/cpuinfo` of an arm64 kernel. */
export function armCpuInfo(cores: readonly ArmCoreSample[], features: string, tail = ''): string {
  return (
    cores
      .map(
        ({ implementer = '0x41', part }, cpu) => `processor\t: ${cpu}
BogoMIPS\t: 38.40
Features\t: ${features}
CPU implementer\t: ${implementer}
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: ${part}
CPU revision\t: 1
`,
      )
      .join('\n') + tail
  );
}

/** The files of `/sys/devices/system/cpu` that the probe reads. */
export function armCpuFiles(cores: readonly ArmCoreSample[]): Record<string, string> {
  const files: Record<string, string> = {
    '/sys/devices/system/cpu/online': `0-${cores.length - 1}\n`,
  };
  cores.forEach(({ maxFrequencyKhz, capacity }, cpu) => {
    const folder = `/sys/devices/system/cpu/cpu${cpu}`;
    files[`${folder}/topology/thread_siblings_list`] = `${cpu}\n`;
    if (capacity !== undefined) files[`${folder}/cpu_capacity`] = `${capacity}\n`;
    if (maxFrequencyKhz !== undefined) {
      files[`${folder}/cpufreq/cpuinfo_max_freq`] = `${maxFrequencyKhz}\n`;
    }
  });
  return files;
}

/** Repeats a core. */
export function times<T>(count: number, core: T): readonly T[] {
  return Array.from({ length: count }, () => core);
}

/** `/proc/meminfo` as far as it matters, with neighbours that must not be taken for it. */
export function meminfo(kb: {
  readonly total: number;
  readonly free: number;
  readonly available: number;
  readonly swapTotal: number;
  readonly swapFree: number;
}): string {
  return `MemTotal:       ${String(kb.total).padStart(8)} kB
MemFree:        ${String(kb.free).padStart(8)} kB
MemAvailable:   ${String(kb.available).padStart(8)} kB
Buffers:            4768 kB
Cached:           202100 kB
SwapCached:           96 kB
SwapTotal:      ${String(kb.swapTotal).padStart(8)} kB
SwapFree:       ${String(kb.swapFree).padStart(8)} kB
HugePages_Total:       0
`;
}
