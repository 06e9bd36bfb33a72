import type { FakeSystem } from '../fake-platform.js';
import { armCpuFiles, armCpuInfo, meminfo, times } from './arm.js';

const armV9Features =
  'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp flagm2 frint i8mm bf16 dgh bti ecv afp';

const pineappleCores = [
  ...times(2, { part: '0xd80', maxFrequencyKhz: 2_265_600, capacity: 379 }),
  ...times(3, { part: '0xd81', maxFrequencyKhz: 3_148_800, capacity: 923 }),
  ...times(2, { part: '0xd81', maxFrequencyKhz: 2_956_800, capacity: 867 }),
  { part: '0xd82', maxFrequencyKhz: 3_302_400, capacity: 1024 },
];

/** A Snapdragon 8 Gen 3 phone, 16 GB, under Termux; applications may use CPUs 0 to 6 just then. */
export const snapdragon8Gen3: FakeSystem = {
  os: 'android',
  files: {
    '/proc/cpuinfo': armCpuInfo(pineappleCores, armV9Features),
    '/proc/meminfo': meminfo({
      total: 15_567_892,
      free: 412_344,
      available: 7_340_032,
      swapTotal: 12_582_908,
      swapFree: 9_437_184,
    }),
    '/proc/self/status': 'Name:\tnode\nCpus_allowed:\t7f\nCpus_allowed_list:\t0-6\n',
    '/proc/self/cgroup':
      '4:memory:/\n3:cpuset:/foreground\n2:cpu:/system\n1:blkio:/\n0::/uid_10298/pid_8123\n',
    ...armCpuFiles(pineappleCores),
  },
  commands: {
    getprop: `[ro.board.platform]: [pineapple]
[ro.product.manufacturer]: [Xiaomi]
[ro.product.model]: [23116PN5BC]
[ro.soc.manufacturer]: [QTI]
[ro.soc.model]: [SM8650]
[ro.vendor.empty]: []
`,
  },
};

const sunCores = [
  ...times(6, { implementer: '0x51', part: '0x001', maxFrequencyKhz: 3_532_800, capacity: 792 }),
  ...times(2, { implementer: '0x51', part: '0x001', maxFrequencyKhz: 4_320_000, capacity: 1024 }),
];

/** A Snapdragon 8 Elite phone, 12 GB, a Debian inside Termux: the kernel's `soc0` and Android's tools are seen. */
export const snapdragon8EliteProot: FakeSystem = {
  os: 'linux',
  files: {
    '/proc/cpuinfo': armCpuInfo(sunCores, `${armV9Features.replace(' dgh', ' rng')} rpres`),
    '/proc/meminfo': meminfo({
      total: 11_534_336,
      free: 301_120,
      available: 5_242_880,
      swapTotal: 8_388_604,
      swapFree: 4_194_304,
    }),
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-7\n',
    '/proc/self/cgroup': '0::/\n',
    '/sys/devices/soc0/machine': 'SUN\n',
    '/sys/devices/soc0/family': 'Snapdragon\n',
    '/sys/devices/soc0/soc_id': '618\n',
    '/system/bin/getprop': 'ELF',
    '/system/bin/sh': 'ELF',
    ...armCpuFiles(sunCores),
  },
  commands: {
    '/system/bin/getprop':
      '[ro.board.platform]: [sun]\r\n[ro.soc.manufacturer]: [QTI]\r\n[ro.soc.model]: [SM8750]\r\n',
  },
};

const mt6989Cores = [
  ...times(4, { part: '0xd81', maxFrequencyKhz: 2_000_000 }),
  ...times(3, { part: '0xd82', maxFrequencyKhz: 2_850_000 }),
  { part: '0xd82', maxFrequencyKhz: 3_250_000 },
];

/** A Dimensity 9300 phone whose kernel hides `cpu_capacity` and the affinity. */
export const dimensity9300: FakeSystem = {
  os: 'android',
  files: {
    '/proc/cpuinfo': armCpuInfo(mt6989Cores, `${armV9Features} wfxt`),
    '/proc/meminfo': meminfo({
      total: 11_763_200,
      free: 250_880,
      available: 4_718_592,
      swapTotal: 8_388_604,
      swapFree: 6_291_456,
    }),
    '/proc/self/cgroup': '0::/uid_10312/pid_4711\n',
    ...armCpuFiles(mt6989Cores),
  },
  commands: {
    getprop:
      '[ro.board.platform]: [mt6989]\n[ro.product.manufacturer]: [vivo]\n[ro.product.model]: [I2304]\n[ro.soc.manufacturer]: [Mediatek]\n[ro.soc.model]: [MT6989]\n',
  },
};

const v9WithSme =
  'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp sve2 sveaes svepmull svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bf16 rng bti ecv afp rpres sme smei8i32 smef16f32 smeb16f32 smef32f32 lrcpc3';

/** The `Features` line of a Snapdragon 8 Elite Gen 5. */
export const eliteGen5Features = v9WithSme.split(' ');
