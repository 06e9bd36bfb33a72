import type { FakeSystem } from '../fake-platform.js';
import { armCpuFiles, armCpuInfo, meminfo, times } from './arm.js';

const piCores = times(4, { part: '0xd0b', maxFrequencyKhz: 2_400_000, capacity: 1024 });

/** A Raspberry Pi 5, 8 GB, Raspberry Pi OS; its kernel writes BCM2835 for every chip. */
export const raspberryPi5: FakeSystem = {
  files: {
    '/proc/cpuinfo': armCpuInfo(
      piCores,
      'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp',
      '\nHardware\t: BCM2835\nRevision\t: d04170\nSerial\t\t: 0000000000000000\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n',
    ),
    '/proc/meminfo': meminfo({
      total: 8_245_248,
      free: 6_102_400,
      available: 7_340_032,
      swapTotal: 204_784,
      swapFree: 204_784,
    }),
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-3\n',
    '/proc/self/cgroup': '0::/user.slice/user-1000.slice/session-1.scope\n',
    '/proc/self/mountinfo':
      '36 25 0:31 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n',
    '/sys/fs/cgroup/user.slice/user-1000.slice/cpu.max': 'max 100000\n',
    '/sys/firmware/devicetree/base/compatible': 'raspberrypi,5-model-b\0brcm,bcm2712\0',
    '/sys/firmware/devicetree/base/model': 'Raspberry Pi 5 Model B Rev 1.0\0',
    ...armCpuFiles(piCores),
  },
};

const x86Flags =
  'fpu vme de pse tsc msr pae mce sse sse2 ht lm pni ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand lahf_lm abm avx2 bmi1 bmi2 avx_vnni sha_ni vaes vpclmulqdq rdpid';

function x86CpuInfo(model: string, cpus: number, flags: string): string {
  return times(cpus, 0)
    .map(
      (_, cpu) => `processor\t: ${cpu}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 154
model name\t: ${model}
stepping\t: 3
cpu MHz\t\t: 2600.000
flags\t\t: ${flags}
vmx flags\t: vnmi preemption_timer
bugs\t\t: spectre_v1 spectre_v2
`,
    )
    .join('\n');
}

function siblingFiles(pairs: readonly (readonly number[])[]): Record<string, string> {
  const files: Record<string, string> = {};
  for (const pair of pairs) {
    for (const cpu of pair) {
      files[`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`] =
        `${pair.join(',')}\n`;
    }
  }
  return files;
}

/** A laptop with an i5-1240P: four P cores of two threads, eight E cores, 16 GB. */
export const intelHybridLaptop: FakeSystem = {
  arch: 'x64',
  files: {
    '/proc/cpuinfo': x86CpuInfo('12th Gen Intel(R) Core(TM) i5-1240P', 16, x86Flags),
    '/proc/meminfo': meminfo({
      total: 16_082_724,
      free: 3_145_728,
      available: 10_485_760,
      swapTotal: 2_097_148,
      swapFree: 2_097_148,
    }),
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-15\n',
    '/proc/self/cgroup': '0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n',
    '/proc/self/mountinfo':
      '35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw\n',
    '/sys/devices/system/cpu/online': '0-15\n',
    '/sys/devices/cpu_core/cpus': '0-7\n',
    '/sys/devices/cpu_atom/cpus': '8-15\n',
    ...siblingFiles([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
      ...[8, 9, 10, 11, 12, 13, 14, 15].map((cpu) => [cpu]),
    ]),
    ...Object.fromEntries(
      Array.from({ length: 16 }, (_, cpu) => [
        `/sys/devices/system/cpu/cpu${cpu}/cpufreq/cpuinfo_max_freq`,
        cpu < 8 ? '4400000\n' : '3300000\n',
      ]),
    ),
  },
};

const serverFiles = {
  '/proc/cpuinfo': x86CpuInfo(
    'AMD EPYC 9B14   96-Core   Processor',
    4,
    `${x86Flags} avx512f avx512_bf16 avx512_vnni`,
  ),
  '/proc/meminfo': meminfo({
    total: 24_684_084,
    free: 24_282_632,
    available: 24_324_888,
    swapTotal: 0,
    swapFree: 0,
  }),
  '/sys/devices/system/cpu/online': '0-3\n',
  ...siblingFiles([
    [0, 1],
    [2, 3],
  ]),
};

/** A docker container with a view of its own: `--memory 2g --cpus 1.5 --cpuset-cpus 0-1`, cgroup v2. */
export const dockerCgroupV2: FakeSystem = {
  arch: 'x64',
  files: {
    ...serverFiles,
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-1\n',
    '/proc/self/cgroup': '0::/\n',
    '/proc/self/mountinfo':
      '1012 1002 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n',
    '/sys/fs/cgroup/memory.max': '2147483648\n',
    '/sys/fs/cgroup/memory.high': 'max\n',
    '/sys/fs/cgroup/memory.current': '734003200\n',
    '/sys/fs/cgroup/memory.stat':
      'anon 314572800\nfile 419430400\ninactive_anon 0\nactive_anon 314572800\ninactive_file 209715200\nactive_file 209715200\n',
    '/sys/fs/cgroup/cpu.max': '150000 100000\n',
  },
};

/** A docker container that sees the host's paths, cgroup v1, beside an empty version 2 tree. */
export const dockerCgroupV1: FakeSystem = {
  arch: 'x64',
  files: {
    ...serverFiles,
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-3\n',
    '/proc/self/cgroup':
      '12:cpu,cpuacct:/docker/4f1e\n9:memory:/docker/4f1e\n1:name=systemd:/docker/4f1e\n0::/\n',
    '/proc/self/mountinfo': `640 630 0:55 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
642 640 0:34 /docker/4f1e /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:16 - cgroup cgroup rw,cpu,cpuacct
645 640 0:38 /docker/4f1e /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:20 - cgroup cgroup rw,memory
`,
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1073741824\n',
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': '419430400\n',
    '/sys/fs/cgroup/memory/memory.stat':
      'cache 314572800\ninactive_file 1000\ntotal_cache 314572800\ntotal_inactive_file 104857600\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
  },
};

/** A virtual machine with version 1 groups that limit nothing: "none" is the largest page count. */
export const virtualMachine: FakeSystem = {
  arch: 'x64',
  files: {
    ...serverFiles,
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-3\n',
    '/proc/self/cgroup': '4:memory:/agent/ef0d\n1:cpu:/\n0::/\n',
    '/proc/self/mountinfo': `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`,
    '/sys/fs/cgroup/memory/agent/ef0d/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/agent/ef0d/memory.usage_in_bytes': '15728640\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': '115728640\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  },
};
