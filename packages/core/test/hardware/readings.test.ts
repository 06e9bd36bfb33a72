import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cgroupFolders } from '../../src/hardware/cgroup-folders.js';
import {
  parseByteLimit,
  parseCfsQuota,
  parseCpuMax,
  readCgroupCpuQuota,
  readCgroupMemory,
} from '../../src/hardware/cgroup-limits.js';
import { featuresOf } from '../../src/hardware/cpu-features.js';
import { parseCpuInfo } from '../../src/hardware/parse-cpu-info.js';
import { parseCpuList } from '../../src/hardware/parse-cpu-list.js';
import { parseMeminfo } from '../../src/hardware/parse-meminfo.js';
import { parseAllowedCpus } from '../../src/hardware/read-cpu.js';
import { parseCompatible, parseGetprop } from '../../src/hardware/read-soc.js';
import { fakePlatform } from './fake-platform.js';
import { eliteGen5Features } from './samples/phones.js';

describe('parseCpuList', () => {
  it('reads single CPUs and ranges', () => {
    expect(parseCpuList('0-3,8,10-11\n')).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(parseCpuList('\n')).toEqual([]);
  });

  it.each(['a', '3-1', '1-', '-1', '0-999999'])('refuses %j', (text) => {
    expect(parseCpuList(text)).toBeUndefined();
  });

  it('reads back every set of CPUs', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1023)), (cpus) => {
        expect(parseCpuList(cpus.join(','))).toEqual([...cpus].sort((a, b) => a - b));
      }),
    );
  });
});

describe('parseCpuInfo', () => {
  it('keeps the lines of the machine out of its last CPU', () => {
    expect(
      parseCpuInfo(
        'Processor\t: AArch64 Processor rev 14 (aarch64)\nprocessor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x51\nCPU part\t: 0x805\n\nHardware\t: Qualcomm Technologies, Inc SM8250\n',
      ),
    ).toEqual({
      hardware: 'Qualcomm Technologies, Inc SM8250',
      entries: [{ cpu: 0, implementer: 0x51, part: 0x805, flags: ['fp', 'asimd'] }],
    });
  });

  it('takes no revision for a name', () => {
    expect(
      parseCpuInfo('processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nFeatures\t: neon\n'),
    ).toEqual({ entries: [{ cpu: 0, flags: ['neon'] }] });
  });
});

describe('featuresOf', () => {
  it('reads SVE and SME of a Snapdragon 8 Elite Gen 5', () => {
    expect(featuresOf([eliteGen5Features])).toEqual([
      'neon',
      'fp16',
      'bf16',
      'dotprod',
      'i8mm',
      'sve',
      'sve2',
      'sme',
    ]);
  });

  it('leaves out what one core lacks', () => {
    expect(
      featuresOf([
        ['asimd', 'asimddp', 'sve'],
        ['asimd', 'asimddp'],
      ]),
    ).toEqual(['neon', 'dotprod']);
    expect(featuresOf([])).toEqual([]);
  });
});

describe('parseMeminfo', () => {
  it('reads kB as 1024 bytes and does not mix up names that begin alike', () => {
    expect(
      parseMeminfo('MemTotal:  2000 kB\nMemAvailableX: 1 kB\nSwapCached: 7 kB\nSwapTotal: 0 kB\n'),
    ).toEqual({ totalBytes: 2_048_000, swapTotalBytes: 0 });
  });
});

describe('parseAllowedCpus', () => {
  it('reads the list, not the mask', () => {
    expect(parseAllowedCpus('Cpus_allowed:\tf0\nCpus_allowed_list:\t4-7\n')).toEqual([4, 5, 6, 7]);
    expect(parseAllowedCpus('Name:\tnode\n')).toBeUndefined();
  });
});

describe('limits', () => {
  it('reads what is no limit as none', () => {
    expect(parseByteLimit('max\n')).toBeUndefined();
    expect(parseByteLimit('9223372036854771712\n')).toBeUndefined();
    expect(parseByteLimit('0\n')).toBe(0);
    expect(parseCpuMax('max 100000\n')).toBeUndefined();
    expect(parseCpuMax('50000 0\n')).toBeUndefined();
    expect(parseCfsQuota('-1\n', '100000\n')).toBeUndefined();
    expect(parseCfsQuota('250000\n', undefined)).toBeUndefined();
  });

  it('reads quotas in CPUs', () => {
    expect(parseCpuMax('250000 100000\n')).toBe(2.5);
    expect(parseCfsQuota('250000\n', '50000\n')).toBe(5);
  });
});

describe('cgroupFolders', () => {
  const mountinfo =
    '35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 master:2 - cgroup2 cgroup2 rw\n';

  it('walks from the own group up to the mount point', () => {
    expect(cgroupFolders('memory', '0::/a.slice/b.scope\n', mountinfo)).toEqual({
      version: 2,
      folders: ['/sys/fs/cgroup/a.slice/b.scope', '/sys/fs/cgroup/a.slice', '/sys/fs/cgroup'],
    });
  });

  it('takes the mount point for a path that lies outside it', () => {
    expect(cgroupFolders('cpu', '0::/../../x\n', mountinfo)?.folders).toEqual(['/sys/fs/cgroup']);
    expect(
      cgroupFolders(
        'cpu',
        '0::/elsewhere\n',
        '35 24 0:30 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n',
      )?.folders,
    ).toEqual(['/sys/fs/cgroup']);
  });

  it('takes the usual places where the mounts cannot be read', () => {
    expect(cgroupFolders('memory', '5:memory:/a\n', undefined)).toEqual({
      version: 1,
      folders: ['/sys/fs/cgroup/memory/a', '/sys/fs/cgroup/memory'],
    });
  });

  it('reads blanks in a mount point', () => {
    expect(
      cgroupFolders('memory', '0::/\n', '35 24 0:30 / /my\\040cgroups rw - cgroup2 cgroup2 rw\n')
        ?.folders,
    ).toEqual(['/my cgroups']);
  });

  it('knows no folder where no line speaks of the controller', () => {
    expect(cgroupFolders('memory', '3:cpu:/a\n', undefined)).toBeUndefined();
    expect(cgroupFolders('memory', 'garbage', undefined)).toBeUndefined();
  });
});

describe('nested groups', () => {
  const platform = fakePlatform({
    files: {
      '/g/a/b/memory.max': '1000000\n',
      '/g/a/b/memory.current': '100000\n',
      '/g/a/b/cpu.max': '400000 100000\n',
      // The parent has more room on paper, but its other children fill it.
      '/g/a/memory.max': '5000000\n',
      '/g/a/memory.high': '4000000\n',
      '/g/a/memory.current': '3900000\n',
      '/g/a/memory.stat': 'anon 1\ninactive_file 400000\n',
      '/g/a/cpu.max': '300000 100000\n',
    },
  });
  const groups = { version: 2, folders: ['/g/a/b', '/g/a', '/g'] } as const;

  it('counts the one with the least memory left', async () => {
    expect(await readCgroupMemory(platform, groups)).toEqual({
      version: 2,
      limitBytes: 5_000_000,
      highBytes: 4_000_000,
      usedBytes: 3_900_000,
      reclaimableBytes: 400_000,
      availableBytes: 500_000,
    });
  });

  it('counts the smallest CPU quota', async () => {
    expect(await readCgroupCpuQuota(platform, groups)).toBe(3);
  });

  it('never has less than nothing left', async () => {
    const full = fakePlatform({
      files: { '/g/memory.max': '1000\n', '/g/memory.current': '2000\n' },
    });
    expect(await readCgroupMemory(full, { version: 2, folders: ['/g'] })).toEqual({
      version: 2,
      limitBytes: 1000,
      usedBytes: 2000,
      reclaimableBytes: 0,
      availableBytes: 0,
    });
  });
});

describe('names of the chip', () => {
  it('reads getprop and leaves out empty values', () => {
    expect([...parseGetprop('[a.b]: [c d]\r\n[e]: []\nnoise\n[f]: [[g]]\n')]).toEqual([
      ['a.b', 'c d'],
    ]);
  });

  it('splits the device tree at zero bytes', () => {
    expect(parseCompatible('radxa,rock-5b\0rockchip,rk3588\0')).toEqual([
      'radxa,rock-5b',
      'rockchip,rk3588',
    ]);
  });
});
